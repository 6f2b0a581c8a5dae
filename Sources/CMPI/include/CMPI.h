#pragma once
// Swift cannot import Open MPI's handles and constants, which are casts in macros; these functions give them types.
#include <mpi.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { CMPI_SUM = 0, CMPI_MAX = 1, CMPI_MIN = 2 };

static inline MPI_Comm cmpi_world(void) { return MPI_COMM_WORLD; }

static inline MPI_Op cmpi_op(int op) {
  return op == CMPI_SUM ? MPI_SUM : op == CMPI_MAX ? MPI_MAX : MPI_MIN;
}

/// Of Open MPI 4: no pages of help from this process. Absent in other versions.
extern bool orte_execute_quiet __attribute__((weak));

/// Starts MPI unless it runs already. Whatever stops it from starting, Open MPI explains; later errors are returned, and the
/// caller explains them, so that MPI_Abort needs no page. Funneled: only the thread that started it may call it.
static inline int cmpi_init(void) {
  int started = 0;
  int code = MPI_Initialized(&started);
  if (code != MPI_SUCCESS || started) return code;
  // A process that nobody launched needs neither a daemon beside it, nor folders for it in /tmp. `mpirun` and `srun` give a name space.
  if (!getenv("PMIX_NAMESPACE")) {
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
  }
  int provided;
  code = MPI_Init_thread(0, 0, MPI_THREAD_FUNNELED, &provided);
  if (code == MPI_SUCCESS) MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (&orte_execute_quiet) orte_execute_quiet = true;
  return code;
}

static inline int cmpi_finalize(void) {
  int ended = 0;
  int code = MPI_Finalized(&ended);
  return code != MPI_SUCCESS || ended ? code : MPI_Finalize();
}

static inline int cmpi_split_shared(MPI_Comm comm, int key, MPI_Comm *result) {
  return MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, key, MPI_INFO_NULL, result);
}

static inline int cmpi_allreduce_double(double *values, int count, int op, MPI_Comm comm) {
  return MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_DOUBLE, cmpi_op(op), comm);
}

static inline int cmpi_allreduce_int64(int64_t *values, int count, int op, MPI_Comm comm) {
  return MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_INT64_T, cmpi_op(op), comm);
}

static inline int cmpi_iallreduce_float(float *values, int count, MPI_Comm comm, MPI_Request *request) {
  return MPI_Iallreduce(MPI_IN_PLACE, values, count, MPI_FLOAT, MPI_SUM, comm, request);
}

static inline int cmpi_ireduce_float(
    float *values, int count, int root, bool is_root, MPI_Comm comm, MPI_Request *request) {
  return MPI_Ireduce(is_root ? MPI_IN_PLACE : values, values, count, MPI_FLOAT, MPI_SUM, root, comm, request);
}

static inline int cmpi_igather_bytes(const void *mine, int count, void *all, int root, MPI_Comm comm, MPI_Request *request) {
  return MPI_Igather(mine, count, MPI_BYTE, all, count, MPI_BYTE, root, comm, request);
}

static inline int cmpi_ibroadcast_bytes(void *bytes, int count, int root, MPI_Comm comm, MPI_Request *request) {
  return MPI_Ibcast(bytes, count, MPI_BYTE, root, comm, request);
}

static inline int cmpi_ialltoall_bytes(const void *mine, int count, void *parts, MPI_Comm comm, MPI_Request *request) {
  return MPI_Ialltoall(mine, count, MPI_BYTE, parts, count, MPI_BYTE, comm, request);
}

static inline int cmpi_iallgather_bytes(const void *mine, int count, void *all, MPI_Comm comm, MPI_Request *request) {
  return MPI_Iallgather(mine, count, MPI_BYTE, all, count, MPI_BYTE, comm, request);
}

static inline int cmpi_ibarrier(MPI_Comm comm, MPI_Request *request) { return MPI_Ibarrier(comm, request); }

static inline int cmpi_reduce_to_first_float(float *values, int count, int rank, MPI_Comm comm) {
  return MPI_Reduce(rank == 0 ? MPI_IN_PLACE : values, values, count, MPI_FLOAT, MPI_SUM, 0, comm);
}

static inline int cmpi_test(MPI_Request *request, int *done) { return MPI_Test(request, done, MPI_STATUS_IGNORE); }
static inline int cmpi_wait(MPI_Request *request) { return MPI_Wait(request, MPI_STATUS_IGNORE); }

static inline int cmpi_broadcast_bytes(void *bytes, int count, int root, MPI_Comm comm) {
  return MPI_Bcast(bytes, count, MPI_BYTE, root, comm);
}

static inline int cmpi_send_bytes(const void *bytes, int count, int to, MPI_Comm comm) {
  return MPI_Send(bytes, count, MPI_BYTE, to, 0, comm);
}

static inline int cmpi_receive_bytes(void *bytes, int count, int from, MPI_Comm comm) {
  return MPI_Recv(bytes, count, MPI_BYTE, from, 0, comm, MPI_STATUS_IGNORE);
}

static inline int cmpi_allgather_bytes(const void *mine, int count, void *all, MPI_Comm comm) {
  return MPI_Allgather(mine, count, MPI_BYTE, all, count, MPI_BYTE, comm);
}
