#include "curl_exchange.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

// Options, facts and results of libcurl 7.85 and later, whose numbers don't change. Thousands tell the type:
// 0 long, 10000 pointer, 20000 function, 30000 64-bit integer.
enum {
  OPTION_WRITE_DATA = 10001,
  OPTION_URL = 10002,
  OPTION_READ_DATA = 10009,
  OPTION_ERROR_BUFFER = 10010,
  OPTION_USER_AGENT = 10018,
  OPTION_HEADERS = 10023,
  OPTION_HEADER_DATA = 10029,
  OPTION_METHOD = 10036,
  OPTION_PROGRESS_DATA = 10057,
  OPTION_CA_FILE = 10065,
  OPTION_SEEK_DATA = 10168,
  OPTION_NO_PROXY = 10177,
  OPTION_PROTOCOLS = 10318,
  OPTION_WRITE = 20011,
  OPTION_READ = 20012,
  OPTION_HEADER = 20079,
  OPTION_SEEK = 20167,
  OPTION_PROGRESS = 20219,
  OPTION_BODY_BYTES = 30115,
  OPTION_LOW_SPEED_LIMIT = 19,
  OPTION_LOW_SPEED_TIME = 20,
  OPTION_NO_PROGRESS = 43,
  OPTION_NO_BODY = 44,
  OPTION_UPLOAD = 46,
  OPTION_HTTP_VERSION = 84,
  OPTION_BUFFER_SIZE = 98,
  OPTION_NO_SIGNAL = 99,
  OPTION_CONNECT_MS = 156,
  OPTION_PATH_AS_IS = 234,
  OPTION_SUPPRESS_PROXY_HEADERS = 265,
  OPTION_UPLOAD_BUFFER_SIZE = 280,
  FACT_STATUS = 0x200002,
  HTTP_1_1 = 2,
  READ_ABORT = 0x10000000,
  NO_MEMORY = 27,
  GLOBAL_ALL = 3,
};

typedef struct slist slist;

static struct {
  int (*global_init)(long flags);
  void *(*easy_init)(void);
  void (*easy_cleanup)(void *handle);
  void (*easy_reset)(void *handle);
  int (*easy_setopt)(void *handle, int option, ...);
  int (*easy_getinfo)(void *handle, int fact, ...);
  int (*easy_perform)(void *handle);
  const char *(*easy_strerror)(int code);
  slist *(*slist_append)(slist *list, const char *text);
  void (*slist_free_all)(slist *list);
} curl;
static char open_error[CURL_EXCHANGE_ERROR_BYTES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
  void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    snprintf(open_error, sizeof open_error, "%s", dlerror());
    return;
  }
  struct {
    void *function;
    const char *name;
  } const symbols[] = {
      {&curl.global_init, "curl_global_init"},   {&curl.easy_init, "curl_easy_init"},
      {&curl.easy_cleanup, "curl_easy_cleanup"}, {&curl.easy_reset, "curl_easy_reset"},
      {&curl.easy_setopt, "curl_easy_setopt"},   {&curl.easy_getinfo, "curl_easy_getinfo"},
      {&curl.easy_perform, "curl_easy_perform"}, {&curl.easy_strerror, "curl_easy_strerror"},
      {&curl.slist_append, "curl_slist_append"}, {&curl.slist_free_all, "curl_slist_free_all"},
  };
  for (size_t index = 0; index < sizeof symbols / sizeof *symbols; index++) {
    void *address = dlsym(library, symbols[index].name);
    if (!address) {
      snprintf(open_error, sizeof open_error, "libcurl.so.4 has no %s", symbols[index].name);
      return;
    }
    memcpy(symbols[index].function, &address, sizeof address);
  }
  int code = curl.global_init(GLOBAL_ALL);
  if (code) snprintf(open_error, sizeof open_error, "libcurl doesn't start: %s", curl.easy_strerror(code));
}

bool curl_exchange_open(char *error) {
  pthread_once(&once, open_library);
  memcpy(error, open_error, sizeof open_error);
  return !open_error[0];
}

void *curl_exchange_new(void) { return curl.easy_init(); }

void curl_exchange_free(void *handle) { curl.easy_cleanup(handle); }

static size_t read_body(char *out, size_t size, size_t count, void *context) {
  const curl_exchange *exchange = context;
  size_t got = exchange->read(out, size * count, exchange->context);
  return got == SIZE_MAX ? READ_ABORT : got;
}

static int seek_body(void *context, int64_t offset, int origin) {
  const curl_exchange *exchange = context;
  // libcurl only ever asks for the start.
  if (offset != 0 || origin != SEEK_SET) return 2;
  exchange->rewind(exchange->context);
  return 0;
}

static size_t take_header(char *line, size_t size, size_t count, void *context) {
  const curl_exchange *exchange = context;
  exchange->header(line, size * count, exchange->context);
  return size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context) {
  const curl_exchange *exchange = context;
  return exchange->write(bytes, size * count, exchange->context) ? size * count : 0;
}

static int progress(void *context, int64_t total_in, int64_t in, int64_t total_out, int64_t out) {
  (void)total_in, (void)in, (void)total_out, (void)out;
  const curl_exchange *exchange = context;
  return exchange->goes_on(exchange->context) ? 0 : 1;
}

static int set_up(void *handle, const curl_exchange *exchange, slist *headers, char *error) {
  int code = 0;
#define SET(option, type, value)                                                                                       \
  if (!code) code = curl.easy_setopt(handle, option, (type)(value))
  SET(OPTION_ERROR_BUFFER, char *, error);
  SET(OPTION_NO_SIGNAL, long, 1);
  SET(OPTION_PROTOCOLS, const char *, "http,https");
  SET(OPTION_HTTP_VERSION, long, HTTP_1_1);
  SET(OPTION_PATH_AS_IS, long, 1);
  SET(OPTION_SUPPRESS_PROXY_HEADERS, long, 1);
  SET(OPTION_BUFFER_SIZE, long, 256 * 1024);
  SET(OPTION_UPLOAD_BUFFER_SIZE, long, 256 * 1024);
  SET(OPTION_CONNECT_MS, long, exchange->connect_ms);
  SET(OPTION_LOW_SPEED_LIMIT, long, 1);
  SET(OPTION_LOW_SPEED_TIME, long, exchange->stalled_s);
  SET(OPTION_URL, const char *, exchange->url);
  SET(OPTION_USER_AGENT, const char *, "stadion");
  SET(OPTION_HEADERS, slist *, headers);
  if (exchange->ca_file) SET(OPTION_CA_FILE, const char *, exchange->ca_file);
  if (exchange->bypasses_proxy) SET(OPTION_NO_PROXY, const char *, "*");
  if (exchange->body_byte_count >= 0) {
    SET(OPTION_UPLOAD, long, 1);
    SET(OPTION_BODY_BYTES, int64_t, exchange->body_byte_count);
  }
  SET(OPTION_METHOD, const char *, exchange->method);
  if (!strcmp(exchange->method, "HEAD")) SET(OPTION_NO_BODY, long, 1);
  SET(OPTION_READ, size_t (*)(char *, size_t, size_t, void *), read_body);
  SET(OPTION_READ_DATA, const void *, exchange);
  SET(OPTION_SEEK, int (*)(void *, int64_t, int), seek_body);
  SET(OPTION_SEEK_DATA, const void *, exchange);
  SET(OPTION_HEADER, size_t (*)(char *, size_t, size_t, void *), take_header);
  SET(OPTION_HEADER_DATA, const void *, exchange);
  SET(OPTION_WRITE, size_t (*)(char *, size_t, size_t, void *), take_body);
  SET(OPTION_WRITE_DATA, const void *, exchange);
  SET(OPTION_PROGRESS, int (*)(void *, int64_t, int64_t, int64_t, int64_t), progress);
  SET(OPTION_PROGRESS_DATA, const void *, exchange);
  SET(OPTION_NO_PROGRESS, long, 0);
#undef SET
  return code;
}

int curl_exchange_run(void *handle, const curl_exchange *exchange, long *status, char *error) {
  error[0] = 0;
  *status = 0;
  curl.easy_reset(handle);
  slist *headers = NULL;
  for (const char *const *line = exchange->headers; *line; line++) {
    slist *longer = curl.slist_append(headers, *line);
    if (!longer) {
      curl.slist_free_all(headers);
      return NO_MEMORY;
    }
    headers = longer;
  }
  int code = set_up(handle, exchange, headers, error);
  if (!code) code = curl.easy_perform(handle);
  if (!code) code = curl.easy_getinfo(handle, FACT_STATUS, status);
  if (code && !error[0]) snprintf(error, CURL_EXCHANGE_ERROR_BYTES, "%s", curl.easy_strerror(code));
  // Nothing of this exchange is left behind in the handle but the connection.
  curl.easy_reset(handle);
  curl.slist_free_all(headers);
  return code;
}
