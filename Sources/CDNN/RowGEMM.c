// GEMMs of few rows whose sums do not depend on how many rows there are: what sampling needs, where an image must not change with
// what is sampled beside it. Libraries choose kernels, and so the order of sums, by the number of rows.
//
// Each number of the result is a sum over lanes: lane i adds the terms at i, i + lanes, i + 2 lanes, ... in their order, and the
// lanes are added as a tree. Weights are read in their own layout, once for a group of rows.
#include "CDNN.h"
#include <string.h>

typedef float vector __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));

#define INLINE static inline __attribute__((always_inline))

// Sums that are kept in registers at a time: 16 of the 32 that AVX-512 has; AVX2 has 16 of half the width.
#ifdef __AVX512F__
enum { ROWS = 4, COLUMNS = 4, SINGLE = 16 };
#else
enum { ROWS = 2, COLUMNS = 2, SINGLE = 4 };
#endif

INLINE vector add_fp32(vector sum, const void *a, const void *b) {
  vector x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return sum + x * y;
}

// Pairs of bf16 as the upper halves of floats.
INLINE vector add_bf16_widened(vector sum, const void *a, const void *b) {
  words x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  const words high = (words){} + 0xFFFF0000u;
  sum += (vector)(x << 16) * (vector)(y << 16);
  return sum + (vector)(x & high) * (vector)(y & high);
}

#ifdef __AVX512BF16__
#include <immintrin.h>
INLINE vector add_bf16(vector sum, const void *a, const void *b) {
  return (vector)_mm512_dpbf16_ps(
      (__m512)sum, (__m512bh)_mm512_loadu_si512(a), (__m512bh)_mm512_loadu_si512(b));
}
#else
INLINE vector add_bf16(vector sum, const void *a, const void *b) { return add_bf16_widened(sum, a, b); }
#endif

// The lanes of 16 vectors as 16 numbers: halves are added to halves four times.
INLINE vector totals(const vector *v) {
  vector a[8], b[4], c[2];
  for (int i = 0; i < 8; i++)
    a[i] = __builtin_shufflevector(v[2 * i], v[2 * i + 1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           __builtin_shufflevector(v[2 * i], v[2 * i + 1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  for (int i = 0; i < 4; i++)
    b[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(a[2 * i], a[2 * i + 1], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  for (int i = 0; i < 2; i++)
    c[i] = __builtin_shufflevector(b[2 * i], b[2 * i + 1], 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
           __builtin_shufflevector(b[2 * i], b[2 * i + 1], 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
  return __builtin_shufflevector(c[0], c[1], 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
         __builtin_shufflevector(c[0], c[1], 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

// A tile of `rows` x `columns` sums over `bytes` of each row. Columns from `count` on are computed from the last one, and dropped.
#define TILE(name, add)                                                                                                        \
  INLINE void name(                                                                                                            \
      int rows, int columns, int count, long bytes, const char *a, long a_row, const char *b, long b_row, float *result,       \
      long result_row) {                                                                                                       \
    vector sums[16] = {};                                                                                                      \
    const char *column[16];                                                                                                    \
    for (int j = 0; j < columns; j++) column[j] = b + (j < count ? j : count - 1) * b_row;                                     \
    /* One row reads one column after the other, as the memory is best read; several share what they read of several. */       \
    const int group = rows == 1 ? 1 : columns;                                                                                 \
    const long whole = bytes / 64 * 64;                                                                                        \
    _Pragma("clang loop unroll(full)") for (int first = 0; first < columns; first += group)                                    \
      for (long i = 0; i < whole; i += 64) {                                                                                   \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)                                                      \
          _Pragma("clang loop unroll(full)") for (int j = first; j < first + group; j++)                                       \
            sums[r * columns + j] = add(sums[r * columns + j], a + r * a_row + i, column[j] + i);                              \
      }                                                                                                                        \
    const long i = whole;                                                                                                      \
    if (i < bytes) {                                                                                                           \
      char x[4][64] = {}, y[16][64] = {};                                                                                      \
      for (int r = 0; r < rows; r++) memcpy(x[r], a + r * a_row + i, bytes - i);                                               \
      for (int j = 0; j < columns; j++) memcpy(y[j], column[j] + i, bytes - i);                                                \
      for (int r = 0; r < rows; r++)                                                                                           \
        for (int j = 0; j < columns; j++) sums[r * columns + j] = add(sums[r * columns + j], x[r], y[j]);                      \
    }                                                                                                                          \
    vector total = totals(sums);                                                                                               \
    for (int r = 0; r < rows; r++)                                                                                             \
      for (int j = 0; j < count; j++) result[r * result_row + j] = total[r * columns + j];                                     \
  }

TILE(tile_fp32, add_fp32)
TILE(tile_bf16, add_bf16)

#define MINIMUM(x, y) ((x) < (y) ? (x) : (y))

#define GEMM(name, tile, element)                                                                                              \
  void name(                                                                                                                   \
      int m, int n, int k, const element *a, long a_row, const element *b, long b_row, float *result, long result_row) {       \
    const long size = sizeof(element), bytes = k * size;                                                                       \
    int row = 0;                                                                                                               \
    for (; row + ROWS <= m; row += ROWS)                                                                                       \
      for (int j = 0; j < n; j += COLUMNS)                                                                                     \
        tile(                                                                                                                  \
            ROWS, COLUMNS, MINIMUM(COLUMNS, n - j), bytes, (const char *)(a + row * a_row), a_row * size,                      \
            (const char *)(b + j * b_row), b_row * size, result + row * result_row + j, result_row);                           \
    for (; row < m; row++)                                                                                                     \
      for (int j = 0; j < n; j += SINGLE)                                                                                      \
        tile(                                                                                                                  \
            1, SINGLE, MINIMUM(SINGLE, n - j), bytes, (const char *)(a + row * a_row), a_row * size,                           \
            (const char *)(b + j * b_row), b_row * size, result + row * result_row + j, result_row);                           \
  }

GEMM(cdnn_rows_fp32, tile_fp32, float)
GEMM(cdnn_rows_bf16, tile_bf16, uint16_t)
