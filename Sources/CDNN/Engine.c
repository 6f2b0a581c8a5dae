#define _GNU_SOURCE
#include "CDNN.h"
#include "internal.h"

#include <dlfcn.h>
#include <dnnl_debug.h>
#include <pthread.h>

static dnnl_engine_t engine;
static dnnl_status_t status;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void create(void) { status = dnnl_engine_create(&engine, dnnl_cpu, 0); }

dnnl_status_t get_engine(dnnl_engine_t *result) {
  pthread_once(&once, create);
  *result = engine;
  return status;
}

_Static_assert(CDNN_OUT_OF_MEMORY == dnnl_out_of_memory, "oneDNN's number");
const char *cdnn_status_name(int status) { return dnnl_status2str((dnnl_status_t)status); }

void cdnn_set_threads(int count) {
  // Looked up at run time, because the name of the OpenMP library depends on how oneDNN was built.
  void (*set)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  if (set) set(count);
}

// OpenMP's calls, as compilers make them of its pragmas: so that these threads are those of oneDNN, and none waits for another's core.
void GOMP_parallel(void (*work)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_thread_num(void);
int omp_get_num_threads(void);

struct parts {
  int count;
  void (*work)(int, void *);
  void *context;
};

static void do_parts(void *data) {
  const struct parts *parts = data;
  for (int part = omp_get_thread_num(); part < parts->count; part += omp_get_num_threads()) parts->work(part, parts->context);
}

void cdnn_parallel(int count, void (*work)(int part, void *context), void *context) {
  struct parts parts = {count, work, context};
  GOMP_parallel(do_parts, &parts, (unsigned)count, 0);
}

static int has(dnnl_cpu_isa_t isa) { return ((unsigned)dnnl_get_effective_cpu_isa() & isa) == isa; }

int cdnn_has_bf16(void) { return has(dnnl_cpu_isa_avx512_core_bf16); }
int cdnn_has_fast_bf16(void) { return has(dnnl_cpu_isa_avx512_core_amx) || (cdnn_has_bf16() && cdnn_has_fast_dot_products()); }
