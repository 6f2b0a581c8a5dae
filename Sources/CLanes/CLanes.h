// Sixteen numbers at a time: what Swift's own vectors do with calls, or lane by lane, as the instructions that there are.
#pragma once
#include <stdint.h>

typedef float lanes_fp32 __attribute__((ext_vector_type(16)));
typedef uint32_t lanes_bits __attribute__((ext_vector_type(16)));
typedef int32_t lanes_integers __attribute__((ext_vector_type(16)));
typedef uint16_t lanes_bf16 __attribute__((ext_vector_type(16)));

static inline __attribute__((always_inline)) lanes_fp32 lanes_of_integers(lanes_integers values) {
  return __builtin_convertvector(values, lanes_fp32);
}

static inline __attribute__((always_inline)) lanes_fp32 lanes_widened(lanes_bf16 bits) {
  return (lanes_fp32)(__builtin_convertvector(bits, lanes_bits) << 16);
}

static inline __attribute__((always_inline)) lanes_fp32 lanes_square_roots(lanes_fp32 values) {
  return __builtin_elementwise_sqrt(values);
}

/// To the nearest, and to the even one of two that are equally near. NaN stays NaN; rounded like a number, it could become an
/// infinity or 0.
static inline __attribute__((always_inline)) lanes_bf16 lanes_rounded(lanes_fp32 values) {
  lanes_bits bits = (lanes_bits)values;
  lanes_bits rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  // All ones where the lane is NaN.
  lanes_bits is_nan = (lanes_bits)(values != values);
  return __builtin_convertvector((rounded & ~is_nan) | (((bits >> 16) | 0x40) & is_nan), lanes_bf16);
}

/// Thirty-two bits each that look random, from a number that differs from lane to lane and a key: the finalizer of MurmurHash3.
static inline __attribute__((always_inline)) lanes_bits lanes_hashes(uint32_t first, uint32_t key) {
  const lanes_bits index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  lanes_bits x = (index + first) * 0x9E3779B9u + key;
  x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
  x = (x ^ (x >> 13)) * 0xC2B2AE35u;
  return x ^ (x >> 16);
}

/// To one of the two neighbors in bf16, to the nearer one more often, so that the mean is the number itself: `random` has 16 bits.
static inline __attribute__((always_inline)) lanes_bf16 lanes_randomly_rounded(lanes_fp32 values, lanes_bits random) {
  return __builtin_convertvector(((lanes_bits)values + random) >> 16, lanes_bf16);
}

// The paper's 16-bit formats for what is kept beside the weights (appendix B.2): six bits of exponent, whose bias is 60, and as many of
// significand as are left; 1-6-9 has a sign, 0-6-10 has none. There are numbers below the smallest normal one, 2^-59, and no
// infinities: "the maximum is slightly less than 16" (appendix E.2).

static inline __attribute__((always_inline)) lanes_fp32 lanes_of_magnitudes(lanes_bits magnitudes, int significand) {
  // An exponent of fp32 is larger by 127 - 60.
  lanes_bits normal = (magnitudes << (23 - significand)) + (67u << 23);
  lanes_fp32 small = __builtin_convertvector((lanes_integers)magnitudes, lanes_fp32) * (significand == 9 ? 0x1p-68f : 0x1p-69f);
  lanes_bits is_small = (lanes_bits)(magnitudes < (1u << significand));
  return (lanes_fp32)(((lanes_bits)small & is_small) | (normal & ~is_small));
}

static inline __attribute__((always_inline)) lanes_bits lanes_magnitudes(lanes_fp32 values, lanes_bits random, int significand) {
  const int dropped = 23 - significand;
  const lanes_bits size = (lanes_bits)values & 0x7FFFFFFF;
  const lanes_bits chance = random >> (16 - dropped);
  lanes_bits normal = ((size + chance) >> dropped) - (67u << significand);
  lanes_fp32 scaled = (lanes_fp32)size * (significand == 9 ? 0x1p68f : 0x1p69f);
  // Only where it is small is it converted: the others are out of an integer's range.
  lanes_bits is_small = (lanes_bits)(size < (68u << 23));
  scaled = (lanes_fp32)((lanes_bits)scaled & is_small);
  lanes_fp32 part = __builtin_convertvector((lanes_integers)chance, lanes_fp32) * (1.0f / (1 << dropped));
  lanes_bits small = (lanes_bits)__builtin_convertvector(scaled + part, lanes_integers);
  lanes_bits result = (small & is_small) | (normal & ~is_small);
  const lanes_bits most = (lanes_bits){} + (significand == 9 ? 0x7FFF : 0xFFFF);
  lanes_bits is_large = (lanes_bits)(result > most);
  return (most & is_large) | (result & ~is_large);
}

static inline __attribute__((always_inline)) lanes_fp32 lanes_of_1_6_9(lanes_bf16 bits) {
  lanes_bits all = __builtin_convertvector(bits, lanes_bits);
  return (lanes_fp32)((lanes_bits)lanes_of_magnitudes(all & 0x7FFF, 9) | ((all & 0x8000) << 16));
}

/// To one of the two neighbors, as `lanes_randomly_rounded` does; what is too large becomes the largest number.
static inline __attribute__((always_inline)) lanes_bf16 lanes_to_1_6_9(lanes_fp32 values, lanes_bits random) {
  return __builtin_convertvector(lanes_magnitudes(values, random, 9) | (((lanes_bits)values >> 16) & 0x8000), lanes_bf16);
}

static inline __attribute__((always_inline)) lanes_fp32 lanes_of_0_6_10(lanes_bf16 bits) {
  return lanes_of_magnitudes(__builtin_convertvector(bits, lanes_bits), 10);
}

static inline __attribute__((always_inline)) lanes_bf16 lanes_to_0_6_10(lanes_fp32 values, lanes_bits random) {
  return __builtin_convertvector(lanes_magnitudes(values, random, 10), lanes_bf16);
}
