// Requests one at a time over many connections, each of one tenant, to models chosen at random. Prints one JSON object.
#include <getopt.h>

#include "http.h"
#include "samples.h"

enum { KEY_BYTES = 51, NAME_DIGITS = 5 };

struct spread {
  int models, tenants, connections;  // model and connection n are of tenant n % tenants
  char (*keys)[KEY_BYTES + 2];       // by tenant
  struct connection *open;
  struct request request;
  char *digits, *key;  // their places in the request
  uint64_t state, errors;
};

static const char usage[] =
    "usage: spread --socket PATH --models N --keys FILE [--connections 1] [--seconds 2] [--rounds 6] [--core N]\n"
    "Models are model_00000 and so on. Each is asked --rounds times before the clock starts. FILE: a key a line.\n";

// splitmix64
static uint64_t dice(struct spread *spread) {
  uint64_t mixed = spread->state += 0x9E3779B97F4A7C15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
  return mixed ^ (mixed >> 31);
}

static void read_keys(struct spread *spread, const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) die("%s: %s", path, strerror(errno));
  spread->keys = take_memory((size_t)spread->models * sizeof *spread->keys);
  while (spread->tenants < spread->models && fgets(spread->keys[spread->tenants], KEY_BYTES + 2, file) != NULL)
    if (spread->keys[spread->tenants++][KEY_BYTES] != '\n') die("%s: a key of %d bytes is wanted", path, KEY_BYTES);
  fclose(file);
  if (spread->tenants == 0 || spread->models % spread->tenants != 0 || spread->connections % spread->tenants != 0)
    die("%d models and %d connections aren't as many for each of %d tenants", spread->models, spread->connections,
        spread->tenants);
}

static void build_request(struct spread *spread) {
  char zeros[KEY_BYTES + 1] = "";
  memset(zeros, '0', KEY_BYTES);
  struct request plain = tensor_request("model_00000", "INPUT0", "1,16", false);
  struct request *request = &spread->request;
  *request = plain;
  request->echoes = true;
  request->bytes = take_memory(plain.byte_count + KEY_BYTES + 64);
  size_t line = (size_t)(strstr(plain.bytes, "\r\n") + 2 - plain.bytes);
  memcpy(request->bytes, plain.bytes, line);
  size_t added = (size_t)sprintf(request->bytes + line, "X-API-Key: %s\r\n", zeros);
  memcpy(request->bytes + line + added, plain.bytes + line, plain.byte_count - line);
  request->byte_count = plain.byte_count + added;
  spread->digits = strstr(request->bytes, "model_") + strlen("model_");
  spread->key = strstr(request->bytes, zeros);
}

static void ask(struct spread *spread, int connection, int model, struct samples *samples) {
  memcpy(spread->key, spread->keys[model % spread->tenants], KEY_BYTES);
  for (int i = NAME_DIGITS - 1, rest = model; i >= 0; i--, rest /= 10) spread->digits[i] = (char)('0' + rest % 10);
  struct connection *open = &spread->open[connection];
  uint64_t ns = exchange(open, &spread->request);
  if (samples != NULL) add_sample(samples, ns);
  // After the clock: each answer names another model.
  bool is_right = open->status == 200 && echoes_values(open, &spread->request);
  if (!is_right && spread->errors++ == 0) fprintf(stderr, "wrong answer of model %d:\n%.600s\n", model, open->buffer);
}

int main(int count, char **arguments) {
  struct spread spread = {.connections = 1, .state = 1};
  const char *socket = NULL, *keys = NULL;
  int core = -1, rounds = 6;
  double seconds = 2;
  static const struct option options[] = {
      {"socket", 1, 0, 's'},  {"models", 1, 0, 'm'}, {"keys", 1, 0, 'k'}, {"connections", 1, 0, 'c'},
      {"seconds", 1, 0, 't'}, {"rounds", 1, 0, 'r'}, {"core", 1, 0, 'p'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) switch (option) {
      case 's': socket = optarg; break;
      case 'm': spread.models = atoi(optarg); break;
      case 'k': keys = optarg; break;
      case 'c': spread.connections = atoi(optarg); break;
      case 't': seconds = atof(optarg); break;
      case 'r': rounds = atoi(optarg); break;
      case 'p': core = atoi(optarg); break;
      default: die(usage);
    }
  if (socket == NULL || keys == NULL || spread.models < 1 || spread.models > 99999 || spread.connections < 1)
    die(usage);
  read_keys(&spread, keys);
  build_request(&spread);
  pin_to_core(core);
  spread.open = take_memory((size_t)spread.connections * sizeof *spread.open);
  for (int i = 0; i < spread.connections; i++) spread.open[i] = (struct connection){.fd = connect_unix(socket)};
  for (int i = 0; i < spread.models; i++)
    for (int round = 0; round < rounds; round++) ask(&spread, i % spread.connections, i, NULL);

  struct samples samples = make_samples();
  uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
  int own = spread.models / spread.tenants;
  while (now_ns() < end) {
    int connection = (int)(dice(&spread) % (uint64_t)spread.connections);
    int model = connection % spread.tenants + spread.tenants * (int)(dice(&spread) % (uint64_t)own);
    ask(&spread, connection, model, &samples);
  }
  printf("{");
  print_samples(&samples);
  printf(", \"errors\": %llu}\n", (unsigned long long)spread.errors);
  return 0;
}
