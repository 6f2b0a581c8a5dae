#pragma once
#include <stddef.h>
#include <stdint.h>

// GEMMs and convolutions over oneDNN, versions 2 and 3. Functions that return int return oneDNN's status: 0 is success,
// cdnn_status_name gives a name.

const char *cdnn_status_name(int status);
#define CDNN_OUT_OF_MEMORY 1

/// The threads that GEMMs and convolutions of this process use, where oneDNN was built with OpenMP.
void cdnn_set_threads(int count);

/// Calls work for parts 0 to count - 1, each on a thread of its own, and waits for all.
void cdnn_parallel(int count, void (*work)(int part, void *context), void *context);

/// Whether this CPU multiplies bf16 (AVX512_BF16 or AMX).
int cdnn_has_bf16(void);

/// Whether it multiplies bf16 faster than fp32. Measured, where it has no AMX.
int cdnn_has_fast_bf16(void);

/// A GEMM of bf16 matrices with sums in fp32. Element (i, j) of an operand is at i * row + j * column.
typedef struct {
  int32_t m, n, k;
  int32_t a_row, a_column, b_row, b_column, result_row;
  int32_t result_is_bf16;  // else fp32
  int32_t accumulates;     // adds to the result
  int32_t has_bias;        // adds bias[n], fp32
  int32_t residual_row;    // adds an fp32 matrix [m, n] with rows this far apart; 0 for none
} cdnn_gemm_shape;

/// result (+)= a [m, k] · b [k, n] (+ bias) (+ residual). What oneDNN prepares for a shape is kept for the process's life; calls
/// from several threads run one after the other, since each uses all of the process's threads.
int cdnn_gemm(
    const cdnn_gemm_shape *shape, const uint16_t *a, const uint16_t *b, const float *bias, const float *residual, void *result);

/// Columns of a panel of weights: [k][columns] in fp32, [(k + 1) / 2][columns][2] in bf16, where an odd k is filled with 0.
enum { CDNN_PANEL = 16 };
/// Panels that are multiplied fastest at a time.
#ifdef __AVX512F__
enum { CDNN_PANELS = 2 };
#else
enum { CDNN_PANELS = 1 };
#endif
/// sums [m, panels * CDNN_PANEL] = a [m, k] · b, which is 1 or CDNN_PANELS panels, one after the other. Rows of a are a_row numbers
/// apart. Each sum is added in one order, whatever m and panels are.
void cdnn_panels_fp32(int panels, int m, int k, const float *a, long a_row, const float *b, float *sums);
void cdnn_panels_bf16(int panels, int m, int k, const uint16_t *a, long a_row, const uint16_t *b, float *sums);

/// A convolution of one shape, stride 1, odd kernel, padding (kernel - 1) / 2, with sums in fp32.
///
/// Activations are channels-last, [samples, height, width, channels]. Weights, bias and their gradients are fp32; weights keep
/// PyTorch's layout [outputs, inputs, kernel, kernel] and are packed for oneDNN, in the operands' format, at every call, so they
/// may change between calls. The convolution computes scale · (weights * x + bias).
typedef struct cdnn_convolution cdnn_convolution;

/// Where the result goes: stored; stored as max(0, result); or added to the destination.
enum { CDNN_PLAIN, CDNN_RECTIFIED, CDNN_ADDED };

typedef struct {
  int64_t samples, height, width, inputs, outputs, kernel;
  float scale;
  int output;              // CDNN_PLAIN, CDNN_RECTIFIED or CDNN_ADDED
  int training;            // also prepare the backward passes
  int operands_are_bf16;   // x and dy; else fp32
  int y_is_bf16;           // else fp32
  int dx_is_bf16;          // else fp32
} cdnn_convolution_shape;

int cdnn_convolution_create(cdnn_convolution **result, const cdnn_convolution_shape *shape);
void cdnn_convolution_destroy(cdnn_convolution *convolution);

/// Bytes of the 64-byte aligned scratch that the functions below take; nothing is kept in it between calls.
size_t cdnn_convolution_scratch_bytes(const cdnn_convolution *convolution);

int cdnn_convolution_forward(
    cdnn_convolution *convolution, const void *x, const float *weights, const float *bias, void *y, void *scratch);

/// dx = gradient of x, overwritten. dy is the gradient of scale · (weights * x + bias), before rectification.
int cdnn_convolution_backward_input(
    cdnn_convolution *convolution, const void *dy, const float *weights, void *dx, void *scratch);

/// Adds the gradients of weights and bias to dweights and dbias.
int cdnn_convolution_backward_weights(
    cdnn_convolution *convolution, const void *x, const void *dy, float *dweights, float *dbias, void *scratch);
