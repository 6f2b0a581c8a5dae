// The throughput of AVX512_BF16's dot products of pairs, against that of fp32's multiplications.
#include "internal.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <time.h>

// Enough sums that none waits for its last addition, of 4 to 6 cycles with 2 of them a cycle.
enum { SUMS = 12, ROUNDS = 2000, REPEATS = 7 };

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Sums stay in registers, and compilers cannot drop what changes them.
#define TIMED(name, target_features, operand, zero, step) \
  __attribute__((target(target_features))) static double name(void) { \
    __m512 sums[SUMS]; \
    for (int i = 0; i < SUMS; i++) sums[i] = _mm512_setzero_ps(); \
    operand x = zero; \
    __asm__ volatile("" : "+v"(x)); \
    const double start = seconds(); \
    for (int round = 0; round < ROUNDS; round++) { \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < SUMS; i++) { \
        sums[i] = step(x, sums[i]); \
        __asm__ volatile("" : "+v"(sums[i])); \
      } \
    } \
    return seconds() - start; \
  }

#define PAIRS(x, sum) _mm512_dpbf16_ps(sum, x, x)
#define FLOATS(x, sum) _mm512_fmadd_ps(x, x, sum)
TIMED(time_pairs, "avx512f,avx512bf16", __m512bh, (__m512bh)_mm512_setzero_si512(), PAIRS)
TIMED(time_floats, "avx512f", __m512, _mm512_setzero_ps(), FLOATS)

int cdnn_has_fast_dot_products(void) {
  // The shortest of several, which other work on the core did not disturb.
  double pairs = 1, floats = 1;
  for (int i = 0; i < REPEATS; i++) {
    const double p = time_pairs(), f = time_floats();
    if (p < pairs) pairs = p;
    if (f < floats) floats = f;
  }
  // A vector of pairs has twice the numbers: with twice the time for one, bf16 is as fast, and moves half the bytes. CPUs take 1, 2 or 4
  // times as long.
  return pairs < 2.8 * floats;
}
#else
int cdnn_has_fast_dot_products(void) { return 0; }
#endif
