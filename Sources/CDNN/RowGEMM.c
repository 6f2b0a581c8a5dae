// GEMMs of few rows whose sums do not depend on how many rows there are: what sampling needs, where an image must not change with
// what is sampled beside it. Libraries choose kernels, and so the order of sums, by the number of rows.
//
// Operands are rows of words of four bytes: a number in fp32, or two in bf16. Each number of the result has LANES sums; sum l adds
// the terms of the words l, l + LANES, l + 2 LANES, ... in their order, and the sums are added as a tree. Few rows are multiplied as they
// lie: a vector holds the sums of a column. For more, weights are transposed, so that a vector holds one sum of LANES columns, and
// many sums are kept in registers for each word that is read.
#include "CDNN.h"
#include <string.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("clang loop unroll(full)")

// Registers: AVX-512 has 32 of 16 words, AVX2 16 of 8. A tile is ROWS x VECTORS of them.
#ifdef __AVX512F__
enum { LANES = 16, ROWS = 8, VECTORS = 2 };
#else
enum { LANES = 8, ROWS = 6, VECTORS = 2 };
#endif
enum { COLUMNS = LANES * VECTORS };
// With more rows it pays to transpose the weights.
enum { FEW = 3 };
// Words of a row that are transposed at a time: a panel of COLUMNS of them stays in the L2 cache.
enum { BLOCK = 512, STEPS = BLOCK / LANES };

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef enum { FP32, BF16 } format;

INLINE vector load(const void *p) {
  vector x;
  memcpy(&x, p, sizeof x);
  return x;
}

INLINE vector broadcast(const void *p) {
  float x;
  memcpy(&x, p, sizeof x);
#ifdef __AVX512F__
  return (vector){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#else
  return (vector){x, x, x, x, x, x, x, x};
#endif
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

// MARK: Few rows

// The sums of a vector as a tree: halves are added to halves.
INLINE float total(vector v) {
  float sums[LANES];
  memcpy(sums, &v, sizeof v);
  UNROLLED for (int half = LANES / 2; half > 0; half /= 2) UNROLLED for (int l = 0; l < half; l++) sums[l] += sums[l + half];
  return sums[0];
}

// A column is read whole before the next, as memory is best read; further rows find it in the cache.
INLINE void multiply_few(
    format f, int m, int n, long bytes, const char *a, long a_row, const char *b, long b_row, float *result, long result_row) {
  const long whole = bytes / sizeof(vector) * sizeof(vector);
  char a_rest[FEW][sizeof(vector)] = {}, b_rest[sizeof(vector)] = {};
  for (int r = 0; r < m; r++) memcpy(a_rest[r], a + r * a_row + whole, bytes - whole);
  for (int j = 0; j < n; j++, b += b_row) {
    memcpy(b_rest, b + whole, bytes - whole);
    for (int r = 0; r < m; r++) {
      vector sums = {};
      for (long i = 0; i < whole; i += sizeof(vector)) sums = add(f, sums, load(a + r * a_row + i), load(b + i));
      if (whole < bytes) sums = add(f, sums, load(a_rest[r]), load(b_rest));
      result[r * result_row + j] = total(sums);
    }
  }
}

// MARK: More rows

// The transpose of a square of words: squares of 1, 2, 4 (and 8) words change places across the diagonal.
INLINE void transpose(vector v[LANES]) {
  vector t[LANES];
#define S __builtin_shufflevector
#ifdef __AVX512F__
  UNROLLED for (int i = 0; i < 16; i += 2) {
    t[i] = S(v[i], v[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    t[i + 1] = S(v[i], v[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  }
  UNROLLED for (int i = 0; i < 16; i += 4) UNROLLED for (int j = 0; j < 2; j++) {
    v[i + 2 * j] = S(t[i + j], t[i + j + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    v[i + 2 * j + 1] = S(t[i + j], t[i + j + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
  UNROLLED for (int i = 0; i < 16; i += 8) UNROLLED for (int j = 0; j < 4; j++) {
    t[i + j] = S(v[i + j], v[i + j + 4], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    t[i + j + 4] = S(v[i + j], v[i + j + 4], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  }
  UNROLLED for (int j = 0; j < 8; j++) {
    v[j] = S(t[j], t[j + 8], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    v[j + 8] = S(t[j], t[j + 8], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  }
#else
  UNROLLED for (int i = 0; i < 8; i += 2) {
    t[i] = S(v[i], v[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    t[i + 1] = S(v[i], v[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  UNROLLED for (int i = 0; i < 8; i += 4) UNROLLED for (int j = 0; j < 2; j++) {
    v[i + 2 * j] = S(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    v[i + 2 * j + 1] = S(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  UNROLLED for (int j = 0; j < 4; j++) {
    t[j] = S(v[j], v[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    t[j + 4] = S(v[j], v[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  UNROLLED for (int j = 0; j < 8; j++) v[j] = t[j];
#endif
#undef S
}

// A block of COLUMNS columns: panel[l][step][column] is the word step · LANES + l of the column, 0 beyond its end.
typedef vector panel[LANES][STEPS][VECTORS];
// What a tile has summed: [l][row][vector].
typedef vector tile_sums[LANES][ROWS][VECTORS];

INLINE void fill(panel panel, const char *const columns[COLUMNS], int steps, long bytes) {
  for (int step = 0; step < steps; step++) {
    const long first = step * (long)sizeof(vector);
    UNROLLED for (int v = 0; v < VECTORS; v++) {
      vector tile[LANES] = {};
      if (first + (long)sizeof(vector) <= bytes) {
        UNROLLED for (int j = 0; j < LANES; j++) tile[j] = load(columns[v * LANES + j] + first);
      } else {
        for (int j = 0; j < LANES; j++) memcpy(&tile[j], columns[v * LANES + j] + first, bytes - first);
      }
      transpose(tile);
      UNROLLED for (int l = 0; l < LANES; l++) panel[l][step][v] = tile[l];
    }
  }
}

// Sums the terms of some steps for a tile, beside what `sums` has where it `continues`. Row r of a begins at a + r · a_row, with the
// word of the first step.
INLINE void add_tile(
    format f, int rows, int first, int steps, int continues, const char *a, long a_row, panel panel, tile_sums sums) {
  for (int l = 0; l < LANES; l++) {
    vector s[ROWS][VECTORS];
    UNROLLED for (int r = 0; r < rows; r++)
      UNROLLED for (int v = 0; v < VECTORS; v++) s[r][v] = continues ? sums[l][r][v] : (vector){};
    const char *word = a + 4 * l;
    for (int step = first; step < first + steps; step++, word += sizeof(vector)) {
      UNROLLED for (int r = 0; r < rows; r++) {
        const vector x = broadcast(word + r * a_row);
        UNROLLED for (int v = 0; v < VECTORS; v++) s[r][v] = add(f, s[r][v], x, panel[l][step][v]);
      }
    }
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < VECTORS; v++) sums[l][r][v] = s[r][v];
  }
}

INLINE void add_rows(
    format f, int rows, int first, int steps, int continues, const char *a, long a_row, panel panel, tile_sums sums) {
  // A loop for each number of rows, so that sums stay in registers.
#define CASE(count) case count: return add_tile(f, count, first, steps, continues, a, a_row, panel, sums);
  switch (rows) {
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#ifdef __AVX512F__
    CASE(7) CASE(8)
#endif
  }
#undef CASE
}

INLINE void store_totals(int rows, int columns, tile_sums sums, float *result, long result_row) {
  for (int r = 0; r < rows; r++)
    UNROLLED for (int v = 0; v < VECTORS; v++) {
      UNROLLED for (int half = LANES / 2; half > 0; half /= 2)
        UNROLLED for (int l = 0; l < half; l++) sums[l][r][v] += sums[l + half][r][v];
      const int count = columns - v * LANES;
      if (count > 0) memcpy(result + r * result_row + v * LANES, &sums[0][r][v], 4 * (count < LANES ? count : LANES));
    }
}

INLINE void multiply_rows(
    format f, int m, int n, long bytes, const char *a, long a_row, const char *b, long b_row, float *result, long result_row) {
  const int tiles = (m + ROWS - 1) / ROWS;
  panel panel;
  tile_sums sums[(CDNN_MOST_ROWS + ROWS - 1) / ROWS];
  for (int j = 0; j < n; j += COLUMNS) {
    // Once at least, which makes sums of no terms 0.
    for (long i = 0; i == 0 || i < bytes; i += 4 * BLOCK) {
      const long count = bytes - i < 4 * BLOCK ? bytes - i : 4 * BLOCK, rest = count % sizeof(vector);
      const int steps = count / sizeof(vector);
      const char *columns[COLUMNS];  // from the last on, which are too many, the same one: they are not stored
      for (int c = 0; c < COLUMNS; c++) columns[c] = b + (j + c < n ? j + c : n - 1) * b_row + i;
      fill(panel, columns, steps + (rest > 0), count);
      for (int t = 0; t < tiles; t++) {
        const int rows = m - t * ROWS < ROWS ? m - t * ROWS : ROWS;
        const char *first = a + t * ROWS * a_row + i;
        add_rows(f, rows, 0, steps, i > 0, first, a_row, panel, sums[t]);
        if (rest > 0) {
          vector last[ROWS] = {};
          for (int r = 0; r < rows; r++) memcpy(&last[r], first + r * a_row + count - rest, rest);
          add_rows(f, rows, steps, 1, 1, (const char *)last, sizeof(vector), panel, sums[t]);
        }
      }
    }
    for (int t = 0; t < tiles; t++)
      store_totals(
          m - t * ROWS < ROWS ? m - t * ROWS : ROWS, n - j, sums[t], result + t * ROWS * result_row + j, result_row);
  }
}

#define GEMM(name, f, element)                                                                                                 \
  void name(                                                                                                                   \
      int m, int n, int k, const element *a, long a_row, const element *b, long b_row, float *result, long result_row) {       \
    const long size = sizeof(element);                                                                                         \
    const char *x = (const char *)a, *y = (const char *)b;                                                                     \
    if (m <= FEW)                                                                                                              \
      multiply_few(f, m, n, k * size, x, a_row * size, y, b_row * size, result, result_row);                                   \
    else                                                                                                                       \
      multiply_rows(f, m, n, k * size, x, a_row * size, y, b_row * size, result, result_row);                                  \
  }

GEMM(cdnn_rows_fp32, FP32, float)
GEMM(cdnn_rows_bf16, BF16, uint16_t)
