// What the files of this target share: the engine, and what differs between oneDNN's versions 2 and 3.
#pragma once
#include <dnnl.h>

#define TRY(call)                            \
  do {                                       \
    dnnl_status_t status_ = (call);          \
    if (status_ != dnnl_success) return status_; \
  } while (0)

// A memory descriptor is a struct in version 2 and a handle in version 3.
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t descriptor_view;
#define VIEW(descriptor) (descriptor)
#else
typedef const dnnl_memory_desc_t *descriptor_view;
#define VIEW(descriptor) (&(descriptor))
#endif

static inline void free_descriptor(dnnl_memory_desc_t *descriptor) {
#if DNNL_VERSION_MAJOR >= 3
  if (*descriptor) dnnl_memory_desc_destroy(*descriptor);
#endif
  (void)descriptor;
}

/// A matrix whose element (i, j) is at i * row + j * column.
static inline dnnl_status_t strided(
    dnnl_memory_desc_t *result, dnnl_data_type_t type, int64_t rows, int64_t columns, int64_t row, int64_t column) {
  dnnl_dims_t dims = {rows, columns}, strides = {row, column};
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_memory_desc_create_with_strides(result, 2, dims, type, strides);
#else
  return dnnl_memory_desc_init_by_strides(result, 2, dims, type, strides);
#endif
}

/// Whether oneDNN uses all of a set of instructions on this CPU.
int has_instructions(dnnl_cpu_isa_t set);

/// The process's CPU engine.
dnnl_status_t get_engine(dnnl_engine_t *engine);

/// Whether bf16 has at least fp32's throughput. Only where the CPU has AVX512_BF16.
int cdnn_has_fast_dot_products(void);
