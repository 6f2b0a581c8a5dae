// What Swift's Glibc does not show of Linux's memory calls, and the fences that memory between processes needs.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/// A file that lies in memory alone and closes on exec; -1 with errno.
static inline int cmemory_create(const char *name) { return (int)syscall(SYS_memfd_create, name, 1u /* MFD_CLOEXEC */); }

static inline void cmemory_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void cmemory_store_release(uint64_t *counter, uint64_t value) { __atomic_store_n(counter, value, __ATOMIC_RELEASE); }
static inline uint64_t cmemory_load_acquire(const uint64_t *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }
