#pragma once
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

// Of libraries that hold the kernels of several CPUs; in no header, and absent from others.
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

/// OpenBLAS finds its kernels by the CPU's model, and takes those for SSE3 where it is older than the model: 0.3.21 (Debian 12) does so
/// on Xeons of 2023, and is several times slower there. This takes kernels by what the CPU can do, unless OPENBLAS_CORETYPE is set.
static inline void copenblas_fit_kernels(void) {
  if (getenv("OPENBLAS_CORETYPE") || !gotoblas_dynamic_init || !gotoblas_dynamic_quit) return;
  if (strcmp(openblas_get_corename(), "Prescott") != 0) return;
#ifdef __x86_64__
  const char *core = 0;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    core = "SkylakeX";
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    core = "Haswell";
  }
  if (!core) return;
  setenv("OPENBLAS_CORETYPE", core, 1);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  unsetenv("OPENBLAS_CORETYPE");
#endif
}

// LAPACK's, which OpenBLAS contains; its header does not.
extern void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork,
                    int *iwork, const int *liwork, int *info);

/// Eigenvalues of a symmetric n x n matrix, ascending, and its eigenvectors: row i of a is that of value i. Returns 0, or LAPACK's error.
static inline int copenblas_eigen(int n, double *a, double *values) {
  int info = 0, count = -1, integers = -1, few = 0;
  double size = 0;
  dsyevd_("V", "U", &n, a, &n, values, &size, &count, &few, &integers, &info);
  if (info) return info;
  count = (int)size, integers = few;
  double *work = malloc(sizeof(double) * (size_t)count);
  int *more = malloc(sizeof(int) * (size_t)integers);
  if (!work || !more) info = -1;
  else dsyevd_("V", "U", &n, a, &n, values, work, &count, more, &integers, &info);
  free(work), free(more);
  return info;
}
