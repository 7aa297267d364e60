// What the programs share that run a model in an engine directly, through a bare host in C and through the host, in
// turns.
#ifndef STADION_BENCH_TURNS_H
#define STADION_BENCH_TURNS_H

#include <getopt.h>
#include <math.h>

#include "bare.h"
#include "http.h"
#include "samples.h"

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

// How long the ways to a run took, in the same turn, and so in the same state of the machine.
struct ways {
  struct samples direct, bare, host;
};

// Prints the median of the differences within turns, and between which values it lies with 95 % confidence: those whose
// ranks are 0.98 times the root of the count from the middle, whatever the distribution. Before samples are sorted.
static inline void print_added(const char *name, const struct samples *way, const struct samples *direct) {
  size_t count = way->count;
  double *added = take_memory(count * sizeof *added);
  for (size_t i = 0; i < count; i++) added[i] = (double)way->ns[i] / 1e3 - (double)direct->ns[i] / 1e3;
  qsort(added, count, sizeof *added, compare_doubles);
  size_t reach = (size_t)(0.98 * sqrt((double)count) + 0.5), middle = count / 2;
  size_t low = middle > reach ? middle - reach : 0, high = middle + reach < count ? middle + reach : count - 1;
  printf(", \"%s\": {\"p50_us\": %.3f, \"low_us\": %.3f, \"high_us\": %.3f}", name, added[middle], added[low],
         added[high]);
  free(added);
}

// Takes the turns and prints one JSON object. In each turn the ways are taken in another order: who comes second may
// find caches colder, or cores more awake.
static inline void take_turns(struct turns turns) {
  static const uint8_t orders[6][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {0, 2, 1}, {2, 0, 1}, {1, 0, 2}};
  struct ways ways = {make_samples(), make_samples(), make_samples()};
  struct bare bare = start_bare(turns);
  struct engine engine = open_engine(turns);
  struct request request = {0};
  struct connection connection = {0};
  if (turns.name != NULL) {
    request = tensor_request(turns.name, engine.input_name, engine.shape, false);
    connection.fd = connect_unix(turns.socket_path);
  }
  await_bare(bare);
  char *answer = take_memory(BARE_OUTPUT_BYTES);
  for (int turn = -6; turn < turns.runs; turn++) {  // the first six warm up
    uint64_t ns[3] = {0};
    for (int i = 0; i < 3; i++) {
      int way = orders[(turn + 6) % 6][i];
      if (way == 0) {
        ns[0] = engine.run(&engine);
        engine.finish(&engine);
      } else if (way == 1) {
        ns[1] = ask_bare(bare, (char *)engine.input, answer);
      } else if (turns.name != NULL) {
        ns[2] = exchange(&connection, &request);
        const char *problem = problem_with(&connection, &request);
        if (problem != NULL) die("%s: %s\n%.600s", turns.name, problem, connection.buffer);
      }
    }
    if (turn < 0) continue;
    add_sample(&ways.direct, ns[0]);
    add_sample(&ways.bare, ns[1]);
    if (turns.name != NULL) add_sample(&ways.host, ns[2]);
  }
  printf("{\"engine\": \"%s\"", engine.name);
  print_added("bare_added", &ways.bare, &ways.direct);
  if (turns.name != NULL) print_added("host_added", &ways.host, &ways.direct);
  printf(", \"in_process\": {");
  print_samples(&ways.direct);
  printf("}, \"bare\": {");
  print_samples(&ways.bare);
  printf("}, \"host\": {");
  print_samples(&ways.host);
  printf("}, \"request_bytes\": %zu, \"response_bytes\": %zu}\n", request.byte_count, connection.received);
}

#endif
