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

// Sums of ROWS rows are kept in registers at a time: 12 of 32 with AVX-512, and 12 of 16 with AVX2, enough for two additions of four
// cycles each to be under way in every cycle.
#ifdef __AVX512F__
enum { LANES = 16, ROWS = 12 };
#else
enum { LANES = 8, ROWS = 6 };
#endif
enum { VECTORS = CDNN_PANEL / LANES };
// Words of a sum: their part of a panel, 16 kB, stays in the L1 cache.
enum { BLOCK = 256 };

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
INLINE void add_tile(format f, int rows, long count, const char *a, long a_row, const char *panel, float *sums) {
  vector s[ROWS][VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < VECTORS; v++) s[r][v] = (vector){};
  for (long i = 0; i < count; i++, panel += 4 * CDNN_PANEL) {
    vector b[VECTORS];
    UNROLLED for (int v = 0; v < VECTORS; v++) b[v] = load(panel + v * sizeof(vector));
    UNROLLED for (int r = 0; r < rows; r++) {
      const vector x = broadcast(a + r * a_row + 4 * i);
      UNROLLED for (int v = 0; v < VECTORS; v++) s[r][v] = add(f, s[r][v], x, b[v]);
    }
  }
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < VECTORS; v++) {
    float *place = sums + r * CDNN_PANEL + v * LANES;
    s[r][v] += load(place);
    memcpy(place, &s[r][v], sizeof(vector));
  }
}

INLINE void add_rows(format f, int rows, long count, const char *a, long a_row, const char *panel, float *sums) {
  // A loop for each number of rows, so that sums stay in registers.
#define CASE(number) case number: return add_tile(f, number, count, a, a_row, panel, sums);
  switch (rows) {
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#ifdef __AVX512F__
    CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
  }
#undef CASE
}

INLINE void multiply(format f, int m, long bytes, const char *a, long a_row, const char *panel, float *sums) {
  const long words = bytes / 4, rest = bytes % 4;
  memset(sums, 0, 4 * CDNN_PANEL * (long)m);
  for (long i = 0; i < words; i += BLOCK) {
    const long count = words - i < BLOCK ? words - i : BLOCK;
    for (int r = 0; r < m; r += ROWS)
      add_rows(f, m - r < ROWS ? m - r : ROWS, count, a + r * a_row + 4 * i, a_row, panel + 4 * CDNN_PANEL * i, sums + r * CDNN_PANEL);
  }
  // Half a word: the panel's other half is 0.
  for (int r = 0; rest > 0 && r < m; r++) {
    char last[4] = {};
    memcpy(last, a + r * a_row + 4 * words, rest);
    add_rows(f, 1, 1, last, 4, panel + 4 * CDNN_PANEL * words, sums + r * CDNN_PANEL);
  }
}

void cdnn_panel_fp32(int m, int k, const float *a, long a_row, const float *panel, float *sums) {
  multiply(FP32, m, 4 * (long)k, (const char *)a, 4 * a_row, (const char *)panel, sums);
}

void cdnn_panel_bf16(int m, int k, const uint16_t *a, long a_row, const uint16_t *panel, float *sums) {
  multiply(BF16, m, 2 * (long)k, (const char *)a, 2 * a_row, (const char *)panel, sums);
}
