// HTTP/1.1 requests, built once, and the reading and checking of their responses. One request in flight per connection.
#ifndef STADION_BENCH_HTTP_H
#define STADION_BENCH_HTTP_H

#include <stdbool.h>

#include "bench.h"

// What is sent, and what a right answer looks like.
struct request {
  char *bytes;  // head and body
  size_t byte_count;
  float *values;  // the tensor that was sent; NULL for a GET or a request from a file
  size_t value_count;
  bool echoes;     // the first output must equal `values`
  char *expected;  // body of the first response, checked in full; later ones are compared with it in part
  size_t expected_count;
};

struct connection {
  int fd;
  size_t sent;   // bytes of the request
  char *buffer;  // the response so far, always with room for a NUL
  size_t capacity, received;
  size_t head_count, body_count;  // 0 and 0 until the head is complete
  int status;
  uint64_t started_ns;  // before the first byte was sent
};

enum outcome { WAITING, ANSWERED, BROKEN };

// Elements of a shape such as "1,3,224,224".
static inline size_t count_of_shape(const char *shape) {
  size_t count = 1;
  for (const char *at = shape; *at != '\0';) {
    char *end;
    unsigned long dimension = strtoul(at, &end, 10);
    if (end == at || dimension == 0 || dimension > 1u << 24 || count > (1u << 28) / dimension) die("shape %s", shape);
    count *= dimension;
    at = *end == ',' ? end + 1 : end;
    if (*end != ',' && *end != '\0') die("shape %s", shape);
  }
  return count;
}

// Shortest text that reads back as `value`; at least 20 bytes of room.
static inline int print_shortest(char *out, float value) {
  for (int digits = 1;; digits++) {
    int length = sprintf(out, "%.*g", digits, (double)value);
    if (digits == 9 || strtof(out, NULL) == value) return length;
  }
}

// An FP32 tensor of uniform floats, as JSON or with the binary tensor extension; the answer comes in the same form.
static inline struct request tensor_request(const char *model, const char *input, const char *shape, bool json) {
  struct request request = {0};
  request.value_count = count_of_shape(shape);
  request.values = take_memory(request.value_count * sizeof(float));
  fill_uniform(request.values, request.value_count);
  size_t tensor_bytes = request.value_count * sizeof(float);

  size_t room = request.value_count * 20 + strlen(input) + strlen(shape) + 512;
  char *body = take_memory(room);
  size_t length =
      (size_t)snprintf(body, room, "{\"inputs\":[{\"name\":\"%s\",\"shape\":[%s],\"datatype\":\"FP32\",", input, shape);
  char header[64] = "";
  if (json) {
    length += (size_t)sprintf(body + length, "\"data\":[");
    for (size_t i = 0; i < request.value_count; i++) {
      if (i > 0) body[length++] = ',';
      length += (size_t)print_shortest(body + length, request.values[i]);
    }
    length += (size_t)sprintf(body + length, "]}]}");
  } else {
    length += (size_t)sprintf(body + length,
                              "\"parameters\":{\"binary_data_size\":%zu}}],"
                              "\"parameters\":{\"binary_data_output\":true}}",
                              tensor_bytes);
    sprintf(header, "Inference-Header-Content-Length: %zu\r\n", length);
    memcpy(body + length, request.values, tensor_bytes);
    length += tensor_bytes;
  }
  request.bytes = take_memory(length + strlen(model) + 512);
  int head = sprintf(request.bytes,
                     "POST /v2/models/%s/infer HTTP/1.1\r\nHost: localhost\r\n"
                     "Content-Type: application/%s\r\n%sContent-Length: %zu\r\n\r\n",
                     model, json ? "json" : "octet-stream", header, length);
  memcpy(request.bytes + head, body, length);
  request.byte_count = (size_t)head + length;
  free(body);
  return request;
}

static inline struct request get_request(const char *path) {
  struct request request = {0};
  request.bytes = take_memory(strlen(path) + 128);
  request.byte_count = (size_t)sprintf(request.bytes, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
  return request;
}

// Adds a field to the head.
static inline void add_field(struct request *request, const char *name, const char *value) {
  size_t line = (size_t)((char *)memchr(request->bytes, '\n', request->byte_count) - request->bytes) + 1;
  size_t field = strlen(name) + strlen(value) + 4;
  char *bytes = take_memory(request->byte_count + field + 1);
  memcpy(bytes, request->bytes, line);
  sprintf(bytes + line, "%s: %s\r\n", name, value);
  memcpy(bytes + line + field, request->bytes + line, request->byte_count - line);
  free(request->bytes);
  request->bytes = bytes;
  request->byte_count += field;
}

// The file holds head and body exactly as they are to be sent.
static inline struct request file_request(const char *path) {
  struct request request = {0};
  FILE *file = fopen(path, "rb");
  if (file == NULL) die("%s: %s", path, strerror(errno));
  for (size_t capacity = 64 * 1024;; capacity *= 2) {
    request.bytes = realloc(request.bytes, capacity);
    if (request.bytes == NULL) die("no memory for %s", path);
    request.byte_count += fread(request.bytes + request.byte_count, 1, capacity - request.byte_count, file);
    if (request.byte_count < capacity) break;
  }
  fclose(file);
  return request;
}

// Sends what the socket takes. WAITING: all sent, or a non-blocking socket is full (`sent` tells which).
static inline enum outcome send_some(struct connection *connection, const struct request *request) {
  if (connection->sent == 0) connection->started_ns = now_ns();
  while (connection->sent < request->byte_count) {
    size_t left = request->byte_count - connection->sent;
    ssize_t n = send(connection->fd, request->bytes + connection->sent, left, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return WAITING;
    if (n < 0) return BROKEN;
    connection->sent += (size_t)n;
  }
  return WAITING;
}

// The number after a header's name, or -1. The name is lower case with its colon, such as "\r\ncontent-length:".
static inline long header_number(const char *head, const char *name) {
  const char *line = strcasestr(head, name);
  return line == NULL ? -1 : strtol(line + strlen(name), NULL, 10);
}

static inline enum outcome read_head(struct connection *connection) {
  connection->buffer[connection->received] = '\0';
  char *end = strstr(connection->buffer, "\r\n\r\n");
  if (end == NULL) return connection->received > 64 * 1024 ? BROKEN : WAITING;
  char after = end[2];
  end[2] = '\0';  // so that a search ends with the head
  long length = header_number(connection->buffer, "\r\ncontent-length:");
  end[2] = after;
  if (length < 0 || strncmp(connection->buffer, "HTTP/1.1 ", 9) != 0) return BROKEN;
  connection->status = atoi(connection->buffer + 9);
  connection->head_count = (size_t)(end + 4 - connection->buffer);
  connection->body_count = (size_t)length;
  return WAITING;
}

// Reads once. ANSWERED when the response is complete, WAITING when there is more to come.
static inline enum outcome receive_some(struct connection *connection) {
  size_t wanted = connection->head_count + connection->body_count;
  if (wanted < 4096) wanted = 4096;
  if (connection->capacity < wanted + 1) {
    connection->capacity = wanted + 1;
    connection->buffer = realloc(connection->buffer, connection->capacity);
    if (connection->buffer == NULL) die("no memory for a response of %zu bytes", wanted);
  }
  size_t room = connection->capacity - 1 - connection->received;
  ssize_t n = recv(connection->fd, connection->buffer + connection->received, room, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return WAITING;
  if (n <= 0) return BROKEN;
  connection->received += (size_t)n;
  if (connection->head_count == 0 && read_head(connection) == BROKEN) return BROKEN;
  size_t whole = connection->head_count + connection->body_count;
  if (connection->head_count == 0 || connection->received < whole) return WAITING;
  return connection->received == whole ? ANSWERED : BROKEN;  // more than was asked for can't be told apart
}

// Makes the connection ready for its next request.
static inline void start_over(struct connection *connection) {
  connection->sent = connection->received = connection->head_count = connection->body_count = 0;
}

// Whether the answer's tensor equals the request's, every bit of it.
static inline bool echoes_values(struct connection *connection, const struct request *request) {
  connection->buffer[connection->received] = '\0';
  char *body = connection->buffer + connection->head_count;
  long json_length = header_number(connection->buffer, "\r\ninference-header-content-length:");
  size_t tensor_bytes = request->value_count * sizeof(float);
  if (json_length >= 0)
    return connection->body_count == (size_t)json_length + tensor_bytes &&
           memcmp(body + json_length, request->values, tensor_bytes) == 0;
  char *at = strstr(body, "\"data\"");
  if (at == NULL || (at = strchr(at, '[')) == NULL) return false;
  for (size_t i = 0; i < request->value_count; i++) {
    char *end;
    float value = strtof(++at, &end);
    if (end == at || value != request->values[i]) return false;
    at = end + strspn(end, " \t\r\n");
    if (*at != (i + 1 < request->value_count ? ',' : ']')) return false;
  }
  return true;
}

// NULL for a right answer, otherwise what is wrong with it. The first answer is checked in full; after it, status,
// length and both ends of the body, so that the check costs the client nothing that would be measured as latency.
static inline const char *problem_with(struct connection *connection, struct request *request) {
  char *body = connection->buffer + connection->head_count;
  size_t count = connection->body_count;
  if (connection->status != 200) return "status is not 200";
  if (request->expected == NULL) {
    if (request->echoes && !echoes_values(connection, request)) return "the output differs from the input";
    request->expected = take_memory(count + 1);
    memcpy(request->expected, body, count);
    request->expected_count = count;
    return NULL;
  }
  if (count != request->expected_count) return "the length of the body changed";
  size_t ends = count < 32 ? count : 32, last = count - ends;
  bool same = memcmp(body, request->expected, ends) == 0 && memcmp(body + last, request->expected + last, ends) == 0;
  return same ? NULL : "the body changed";
}

static inline void die_broken(struct connection *connection) {
  if (connection->buffer != NULL) connection->buffer[connection->received] = '\0';
  die("the host closed a connection or sent no valid response, after %zu bytes:\n%.600s", connection->received,
      connection->buffer != NULL ? connection->buffer : "");
}

// One exchange on a blocking connection; returns nanoseconds from the first byte sent to the last received.
static inline uint64_t exchange(struct connection *connection, const struct request *request) {
  start_over(connection);
  enum outcome outcome = send_some(connection, request);
  while (outcome == WAITING) outcome = receive_some(connection);
  if (outcome == BROKEN) die_broken(connection);
  return now_ns() - connection->started_ns;
}

#endif
