// The floor for JSON tensors: the floats of one [1,3,224,224] tensor from text and back to text with the C++ library.
// Prints one JSON object.
#include <getopt.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "bench.h"

// Writes the values with commas between them; returns the end.
static char *print(const std::vector<float> &values, char *out) {
  for (float value : values) {
    out = std::to_chars(out, out + 32, value).ptr;
    *out++ = ',';
  }
  return out - 1;
}

// False when the text is anything but numbers with commas between them.
static bool parse(const char *text, const char *end, std::vector<float> &values) {
  for (float &value : values) {
    auto [next, error] = std::from_chars(text, end, value);
    if (error != std::errc() || (next != end && *next != ',')) return false;
    text = next + 1;
  }
  return text == end + 1;
}

static double median_us(std::vector<uint64_t> &ns) {
  std::sort(ns.begin(), ns.end());
  return static_cast<double>(ns[ns.size() / 2]) / 1e3;
}

int main(int count, char **arguments) {
  double seconds = 1;
  int core = -1;
  static const option options[] = {{"seconds", 1, nullptr, 't'}, {"core", 1, nullptr, 'p'}, {nullptr, 0, nullptr, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, nullptr)) != -1;) switch (option) {
      case 't': seconds = atof(optarg); break;
      case 'p': core = atoi(optarg); break;
      default: die("usage: text [--seconds 1] [--core N]");
    }
  pin_to_core(core);

  std::vector<float> values(IMAGE_VALUES), parsed(IMAGE_VALUES);
  std::vector<char> text(IMAGE_VALUES * 32);
  fill_uniform(values.data(), values.size());
  char *end = print(values, text.data());
  std::vector<uint64_t> parse_ns, print_ns, both_ns;
  uint64_t stop = now_ns() + static_cast<uint64_t>(seconds * 1e9);
  do {
    uint64_t start = now_ns();
    bool read = parse(text.data(), end, parsed);
    uint64_t middle = now_ns();
    print(parsed, text.data());
    uint64_t done = now_ns();
    if (!read || parsed != values) die("the text did not read back as the same floats");
    parse_ns.push_back(middle - start);
    print_ns.push_back(done - middle);
    both_ns.push_back(done - start);
  } while (now_ns() < stop || both_ns.size() < 5);
  printf("{\"parse_us\": %.1f, \"print_us\": %.1f, \"p50_us\": %.1f, \"text_bytes\": %td, \"samples\": %zu}\n",
         median_us(parse_ns), median_us(print_ns), median_us(both_ns), end - text.data(), both_ns.size());
}
