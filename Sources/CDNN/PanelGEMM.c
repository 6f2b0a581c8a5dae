// GEMMs whose sums do not depend on how many rows there are: what sampling needs, where an image must not change with what is
// sampled beside it. Libraries choose kernels, and so the order of sums, by the number of rows.
//
// Operands are rows of words of four bytes: a number in fp32, or two in bf16. The weights lie as the kernel reads them, in panels
// of CDNN_PANEL columns (PackedMatrix.swift), so that a vector holds sums of neighboring columns. Words are added in their order, and
// BLOCK of them before they join the others, which keeps rounding errors small.
#include "CDNN.h"
#include <string.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("clang loop unroll(full)")

// Sums of ROWS rows in CDNN_PANELS panels are kept in registers at a time: 24 of 32 with AVX-512, and 12 of 16 with AVX2, enough for two
// additions of four cycles each to be under way in every cycle. Two panels halve the reads of rows for each addition.
#ifdef __AVX512F__
enum { LANES = 16, ROWS = 12 };
#else
enum { LANES = 8, ROWS = 6 };
#endif
// Of a panel.
enum { VECTORS = CDNN_PANEL / LANES };
// Words of a sum: their part of the panels, 16 kB at most, stays in the L1 cache.
enum { BLOCK = 256 / CDNN_PANELS };

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef enum { FP32, BF16 } format;

INLINE vector load(const void *p) {
  vector x;
  memcpy(&x, p, sizeof x);
  return x;
}

INLINE vector broadcast(const char *p) {
  float x;
  memcpy(&x, p, sizeof x);
  return x - (vector){};
}

// sum + a · b, a word at a time.
INLINE vector add(format f, vector sum, vector a, vector b) {
  if (f == FP32) return sum + a * b;
#ifdef __AVX512BF16__
  return (vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
  // Numbers in bf16 are the upper halves of floats.
  const words high = (words){} + 0xFFFF0000u;
  sum += (vector)((words)a << 16) * (vector)((words)b << 16);
  return sum + (vector)((words)a & high) * (vector)((words)b & high);
#endif
}

// Adds the products of some words to the sums of some rows.
INLINE void add_tile(format f, int rows, int panels, long count, const char *a, long a_row, const char *b, long b_panel, float *sums) {
  const int vectors = panels * VECTORS;
  vector s[ROWS][CDNN_PANELS * VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) s[r][v] = (vector){};
  // Unrolled, it would need more registers than there are.
  _Pragma("clang loop unroll(disable)") for (long i = 0; i < count; i++, b += 4 * CDNN_PANEL) {
    vector y[CDNN_PANELS * VECTORS];
    UNROLLED for (int v = 0; v < vectors; v++) y[v] = load(b + v / VECTORS * b_panel + v % VECTORS * sizeof(vector));
    UNROLLED for (int r = 0; r < rows; r++) {
      const vector x = broadcast(a + r * a_row + 4 * i);
      UNROLLED for (int v = 0; v < vectors; v++) s[r][v] = add(f, s[r][v], x, y[v]);
    }
  }
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) {
    float *place = sums + r * panels * CDNN_PANEL + v * LANES;
    s[r][v] += load(place);
    memcpy(place, &s[r][v], sizeof(vector));
  }
}

INLINE void add_rows(format f, int rows, int panels, long count, const char *a, long a_row, const char *b, long b_panel, float *sums) {
  // A loop for each number of rows, so that sums stay in registers.
#define CASE(number) case number: return add_tile(f, number, panels, count, a, a_row, b, b_panel, sums);
  switch (rows) {
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#ifdef __AVX512F__
    CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
  }
#undef CASE
}

INLINE void multiply(format f, int panels, int m, long bytes, const char *a, long a_row, const char *b, float *sums) {
  const long words = bytes / 4, rest = bytes % 4, width = panels * CDNN_PANEL, b_panel = (words + (rest > 0)) * 4 * CDNN_PANEL;
  memset(sums, 0, 4 * width * m);
  for (long i = 0; i < words; i += BLOCK) {
    const long count = words - i < BLOCK ? words - i : BLOCK;
    for (int r = 0; r < m; r += ROWS)
      add_rows(
          f, m - r < ROWS ? m - r : ROWS, panels, count, a + r * a_row + 4 * i, a_row, b + 4 * CDNN_PANEL * i, b_panel, sums + r * width);
  }
  // Half a word: the panel's other half is 0.
  for (int r = 0; rest > 0 && r < m; r++) {
    char last[4] = {};
    memcpy(last, a + r * a_row + 4 * words, rest);
    add_rows(f, 1, panels, 1, last, 4, b + 4 * CDNN_PANEL * words, b_panel, sums + r * width);
  }
}

#define MULTIPLY(f, size) \
  if (panels == 1) return multiply(f, 1, m, size * (long)k, (const char *)a, size * a_row, (const char *)b, sums); \
  multiply(f, CDNN_PANELS, m, size * (long)k, (const char *)a, size * a_row, (const char *)b, sums);

void cdnn_panels_fp32(int panels, int m, int k, const float *a, long a_row, const float *b, float *sums) { MULTIPLY(FP32, 4) }

void cdnn_panels_bf16(int panels, int m, int k, const uint16_t *a, long a_row, const uint16_t *b, float *sums) { MULTIPLY(BF16, 2) }
