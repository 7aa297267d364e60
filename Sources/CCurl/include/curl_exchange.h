// One HTTP exchange by libcurl, which is opened when the first is wanted: curl_easy_setopt is variadic.
#ifndef STADION_CURL_EXCHANGE_H
#define STADION_CURL_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Text of what went wrong; ends with NUL.
#define CURL_EXCHANGE_ERROR_BYTES 256

// Codes of libcurl that callers tell apart.
#define CURL_EXCHANGE_NO_NAME         6
#define CURL_EXCHANGE_NO_CONNECTION   7
#define CURL_EXCHANGE_ABORTED         42
#define CURL_EXCHANGE_BAD_CERTIFICATE 60
#define CURL_EXCHANGE_BAD_CA_FILE     77

// All pointers live until curl_exchange_run returns. The functions are called on its thread.
typedef struct {
  const char *method;
  const char *url;
  // "Name: value", then NULL. What libcurl would add by itself is left out with "Name:".
  const char *const *headers;
  // Below 0 the request has no body.
  int64_t body_byte_count;
  // NULL for the system's list of authorities.
  const char *ca_file;
  bool bypasses_proxy;
  long connect_ms;
  // A transfer that moves nothing for so long has failed.
  long stalled_s;
  void *context;
  // The next bytes of the request's body; SIZE_MAX gives up.
  size_t (*read)(void *out, size_t capacity, void *context);
  // The body is to be read from the start again.
  void (*rewind)(void *context);
  // A line of the answer's head.
  void (*header)(const char *line, size_t byte_count, void *context);
  // Bytes of the answer's body; false gives up.
  bool (*write)(const void *bytes, size_t byte_count, void *context);
  // Asked at least once a second; false gives up.
  bool (*goes_on)(void *context);
} curl_exchange;

// Opens the library once; false, with the reason in `error`, when it can't be.
bool curl_exchange_open(char *error);
// A handle keeps its connection for the next exchange; one thread uses it at a time. NULL without memory.
void *curl_exchange_new(void);
void curl_exchange_free(void *handle);
// 0, and the answer's status in `status`; otherwise libcurl's code, with the reason in `error`.
int curl_exchange_run(void *handle, const curl_exchange *exchange, long *status, char *error);

#endif
