// What reading and printing one number costs, in nanoseconds, beside the standard library in the same run.
//
// c++ -O2 -std=c++17 -I Sources/CNumbers/include Benchmarks/numbers.cpp Sources/CNumbers/*.cpp -o /tmp/numbers
// taskset -c 1 /tmp/numbers
//
// The tensor is that of one 224 x 224 picture; every figure is the median of 21 interleaved rounds.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "numbers.h"

namespace {

constexpr size_t elements = 3 * 224 * 224;
constexpr int rounds = 21;

double nanoseconds(const std::function<void()> &work) {
  auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / elements;
}

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

template <typename T> std::string standard_print(const std::vector<T> &values) {
  std::string text(values.size() * 32 + 1, ' ');
  char *at = text.data();
  for (T value : values) {
    at = std::to_chars(at, at + 32, value).ptr;
    *at++ = ',';
  }
  at[-1] = ']';
  text.resize((size_t)(at - text.data()));
  return text;
}

template <typename T, typename Read, typename Print>
void compare(const char *name, const std::vector<T> &values, Read read, Print print) {
  std::string text = standard_print(values);
  std::vector<T> back(values.size());
  std::string out(values.size() * 40, ' ');
  size_t size = 0;
  std::vector<double> times[4];
  for (int round = 0; round < rounds; round++) {
    times[0].push_back(nanoseconds([&] {
      const char *at = text.data(), *end = at + text.size();
      for (T &value : back) at = std::from_chars(at, end, value).ptr + 1;
    }));
    times[1].push_back(nanoseconds([&] {
      size_t position = 0, count = 0;
      numbers_result result = read(text.data(), text.size(), &position, back.data(), back.size(), &count);
      if (result != NUMBERS_OK || count != values.size()) printf("%s: result %d at %zu\n", name, result, position);
    }));
    if (memcmp(back.data(), values.data(), values.size() * sizeof(T)) != 0) printf("%s: read differs\n", name);
    times[2].push_back(nanoseconds([&] {
      char *at = out.data();
      for (T value : values) {
        at = std::to_chars(at, at + 32, value).ptr;
        *at++ = ',';
      }
    }));
    times[3].push_back(nanoseconds([&] { size = print(values.data(), values.size(), out.data()); }));
  }
  printf("%-22s %6.1f %6.1f   %6.1f %6.1f   %5.2f   %5.1f %5.1f\n", name, median(times[0]), median(times[1]),
         median(times[2]), median(times[3]),
         (median(times[1]) + median(times[3])) / (median(times[0]) + median(times[2])),
         (double)text.size() / (double)elements, (double)(size + 1) / (double)elements);
}

template <typename T, typename Next> std::vector<T> make(Next next) {
  std::vector<T> values(elements);
  for (T &value : values) value = (T)next();
  return values;
}

}  // namespace

int main() {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::normal_distribution<float> normal(0, 1);
  std::uniform_real_distribution<double> wide(0, 1);
  printf("%-22s %6s %6s   %6s %6s   %5s   %s\n", "ns a number", "from_c", "read", "to_ch", "print", "ratio",
         "bytes: to_chars, print");
  compare("f32 uniform 0...1", make<float>([&] { return uniform(random); }), numbers_read_f32, numbers_print_f32);
  compare("f32 normal", make<float>([&] { return normal(random); }), numbers_read_f32, numbers_print_f32);
  compare("f32 pixels 0...255", make<float>([&] { return random() % 256; }), numbers_read_f32, numbers_print_f32);
  compare("f32 pixels / 255", make<float>([&] { return (float)(random() % 256) / 255; }), numbers_read_f32,
          numbers_print_f32);
  compare("f32 any magnitude", make<float>([&] { return std::exp2(normal(random) * 20); }), numbers_read_f32,
          numbers_print_f32);
  compare("f64 uniform 0...1", make<double>([&] { return wide(random); }), numbers_read_f64, numbers_print_f64);
  compare("i64 below a million", make<int64_t>([&] { return random() % 1000000; }), numbers_read_i64,
          numbers_print_i64);
  compare("i64 any", make<int64_t>([&] { return random() >> (random() % 64); }), numbers_read_i64, numbers_print_i64);
  compare("u8 any", make<uint8_t>([&] { return random(); }), numbers_read_u8, numbers_print_u8);
}
