// What the programs share that run a model in an engine directly and through the host, in turns.
#ifndef STADION_BENCH_TURNS_H
#define STADION_BENCH_TURNS_H

#include <getopt.h>

#include "http.h"
#include "samples.h"

struct turns {
  const char *library, *model;
  const char *socket_path, *name;  // of the host and its model; NULL = only directly
  int runs, core;
  int threads;  // of the engine, for one run
};

// Reads the arguments and takes the core. Ends the program with `usage` for wrong ones.
static inline struct turns begin_turns(int count, char **arguments, const char *usage) {
  struct turns turns = {.runs = 50, .core = -1, .threads = 1};
  static const struct option options[] = {{"library", 1, 0, 'l'}, {"model", 1, 0, 'm'}, {"socket", 1, 0, 's'},
                                          {"name", 1, 0, 'n'},    {"runs", 1, 0, 'r'},  {"core", 1, 0, 'p'},
                                          {"threads", 1, 0, 't'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) switch (option) {
      case 'l': turns.library = optarg; break;
      case 'm': turns.model = optarg; break;
      case 's': turns.socket_path = optarg; break;
      case 'n': turns.name = optarg; break;
      case 'r': turns.runs = atoi(optarg); break;
      case 'p': turns.core = atoi(optarg); break;
      case 't': turns.threads = atoi(optarg); break;
      default: die("%s", usage);
    }
  bool is_whole = turns.library != NULL && turns.model != NULL && (turns.socket_path == NULL) == (turns.name == NULL);
  if (!is_whole || turns.runs < 1 || turns.threads < 1 || turns.threads > 64) die("%s", usage);
  pin_to_core(turns.core);
  return turns;
}

// Takes the turns and prints one JSON object. `run_here` returns the nanoseconds of one run in `session`.
static inline void take_turns(struct turns turns, const char *engine, const char *input_name, const char *shape,
                              uint64_t (*run_here)(void *session), void *session) {
  struct samples here = make_samples(), host = make_samples();
  struct request request = {0};
  struct connection connection = {0};
  if (turns.name != NULL) {
    request = tensor_request(turns.name, input_name, shape, false);
    connection.fd = connect_unix(turns.socket_path);
  }
  for (int i = -3; i < turns.runs; i++) {  // the first three warm up
    uint64_t ns = run_here(session);
    if (i >= 0) add_sample(&here, ns);
    if (turns.name == NULL) continue;
    ns = exchange(&connection, &request);
    const char *problem = problem_with(&connection, &request);
    if (problem != NULL) die("%s: %s\n%.600s", turns.name, problem, connection.buffer);
    if (i >= 0) add_sample(&host, ns);
  }
  printf("{\"engine\": \"%s\", \"in_process\": {", engine);
  print_samples(&here);
  printf("}, \"host\": {");
  print_samples(&host);
  printf("}, \"request_bytes\": %zu, \"response_bytes\": %zu}\n", request.byte_count, connection.received);
}

#endif
