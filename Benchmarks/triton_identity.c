// A backend for Triton that answers with its one input: what Triton adds to a request, as the echo runner is what
// Stadion adds. Declares what it calls of tritonbackend.h, API 1.
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

typedef struct TRITONSERVER_Error TRITONSERVER_Error;
typedef struct TRITONBACKEND_Request TRITONBACKEND_Request;
typedef struct TRITONBACKEND_Response TRITONBACKEND_Response;
typedef struct TRITONBACKEND_Input TRITONBACKEND_Input;
typedef struct TRITONBACKEND_Output TRITONBACKEND_Output;
typedef struct TRITONBACKEND_ModelInstance TRITONBACKEND_ModelInstance;
typedef int TRITONSERVER_DataType, TRITONSERVER_MemoryType;

enum { MEMORY_CPU = 0, RELEASE_ALL = 1, RESPONSE_FINAL = 1, ERROR_INTERNAL = 1 };

TRITONSERVER_Error *TRITONSERVER_ErrorNew(int code, const char *message);
TRITONSERVER_Error *TRITONBACKEND_RequestInputByIndex(TRITONBACKEND_Request *request, uint32_t index,
                                                      TRITONBACKEND_Input **out);
TRITONSERVER_Error *TRITONBACKEND_RequestRelease(TRITONBACKEND_Request *request, uint32_t flags);
TRITONSERVER_Error *TRITONBACKEND_InputProperties(TRITONBACKEND_Input *input, const char **name,
                                                  TRITONSERVER_DataType *type, const int64_t **shape, uint32_t *rank,
                                                  uint64_t *byte_count, uint32_t *buffer_count);
TRITONSERVER_Error *TRITONBACKEND_InputBuffer(TRITONBACKEND_Input *input, uint32_t index, const void **out,
                                              uint64_t *byte_count, TRITONSERVER_MemoryType *memory, int64_t *device);
TRITONSERVER_Error *TRITONBACKEND_ResponseNew(TRITONBACKEND_Response **out, TRITONBACKEND_Request *request);
TRITONSERVER_Error *TRITONBACKEND_ResponseOutput(TRITONBACKEND_Response *response, TRITONBACKEND_Output **out,
                                                 const char *name, TRITONSERVER_DataType type, const int64_t *shape,
                                                 uint32_t rank);
TRITONSERVER_Error *TRITONBACKEND_OutputBuffer(TRITONBACKEND_Output *output, void **out, uint64_t byte_count,
                                               TRITONSERVER_MemoryType *memory, int64_t *device);
TRITONSERVER_Error *TRITONBACKEND_ResponseSend(TRITONBACKEND_Response *response, uint32_t flags,
                                               TRITONSERVER_Error *error);
TRITONSERVER_Error *TRITONBACKEND_ModelInstanceReportStatistics(TRITONBACKEND_ModelInstance *instance,
                                                                TRITONBACKEND_Request *request, bool success,
                                                                uint64_t begin_ns, uint64_t compute_begin_ns,
                                                                uint64_t compute_end_ns, uint64_t end_ns);

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static TRITONSERVER_Error *copy(TRITONBACKEND_Request *request, TRITONBACKEND_Response *response) {
  TRITONBACKEND_Input *input;
  TRITONBACKEND_Output *output;
  TRITONSERVER_DataType type;
  TRITONSERVER_MemoryType memory = MEMORY_CPU;
  const int64_t *shape;
  const void *source;
  void *target;
  uint32_t rank, buffer_count;
  uint64_t byte_count, part;
  int64_t device = 0;
  TRITONSERVER_Error *error = TRITONBACKEND_RequestInputByIndex(request, 0, &input);
  if (!error) error = TRITONBACKEND_InputProperties(input, NULL, &type, &shape, &rank, &byte_count, &buffer_count);
  if (!error) error = TRITONBACKEND_ResponseOutput(response, &output, "OUTPUT0", type, shape, rank);
  if (!error) error = TRITONBACKEND_OutputBuffer(output, &target, byte_count, &memory, &device);
  for (uint32_t index = 0; !error && index < buffer_count; index++, target = (char *)target + part) {
    error = TRITONBACKEND_InputBuffer(input, index, &source, &part, &memory, &device);
    if (!error && memory != MEMORY_CPU) error = TRITONSERVER_ErrorNew(ERROR_INTERNAL, "an input isn't in plain memory");
    if (!error) memcpy(target, source, part);
  }
  return error;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance *instance,
                                                       TRITONBACKEND_Request **requests, uint32_t count) {
  for (uint32_t index = 0; index < count; index++) {
    uint64_t begin = now_ns();
    TRITONBACKEND_Response *response = NULL;
    TRITONSERVER_Error *error = TRITONBACKEND_ResponseNew(&response, requests[index]);
    if (!error) error = copy(requests[index], response);
    bool success = error == NULL;
    uint64_t end = now_ns();
    if (response) TRITONBACKEND_ResponseSend(response, RESPONSE_FINAL, error);
    TRITONBACKEND_ModelInstanceReportStatistics(instance, requests[index], success, begin, begin, end, end);
    TRITONBACKEND_RequestRelease(requests[index], RELEASE_ALL);
  }
  return NULL;
}
