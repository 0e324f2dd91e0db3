// Runs kept inputs, and mutations of them, through a fuzzer's function: with any compiler, the same each time.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzzer.h"

namespace {

namespace fs = std::filesystem;
using Random = std::mt19937_64;

struct Arguments {
  std::size_t mutations = 0;  ///< of each input
  std::uint64_t seed = 1;
  std::string write;  ///< a file that each input is written to before it runs; empty: none
  std::vector<fs::path> inputs;
};

void usage() {
  std::fputs(
      "usage: fuzz_NAME_replay [--mutations N] [--seed S] [--write FILE] FILE|FOLDER...\n"
      "  --mutations N  also runs N mutations of each input (default 0)\n"
      "  --seed S       of the mutations (default 1)\n"
      "  --write FILE   writes each input there before it runs: what is left is the one that ended the run\n",
      stderr);
  std::exit(2);
}

void add_inputs(const fs::path& path, std::vector<fs::path>* inputs) {
  if (!fs::is_directory(path)) return inputs->push_back(path);
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());  // the order of a folder is no order
  inputs->insert(inputs->end(), found.begin(), found.end());
}

Arguments parse(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const bool number = word == "--mutations" || word == "--seed";
    if (number && i + 1 < count) {
      const std::uint64_t value = std::strtoull(words[++i], nullptr, 10);
      (word == "--seed" ? arguments.seed : arguments.mutations) = value;
    } else if (word == "--write" && i + 1 < count) {
      arguments.write = words[++i];
    } else if (word.starts_with("--")) {
      usage();
    } else {
      add_inputs(word, &arguments.inputs);
    }
  }
  return arguments;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void run(const std::string& input, const Arguments& arguments) {
  if (!arguments.write.empty()) std::ofstream(arguments.write, std::ios::binary | std::ios::trunc) << input;
  // A copy of exactly this size, so that AddressSanitizer sees a read beyond its end.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::size_t below(std::size_t end, Random& random) { return end == 0 ? 0 : random() % end; }

/// One to four small changes, of the kinds that find slips of parsers: bytes that delimit, cuts, repeats, joints.
std::string mutate(std::string text, const std::string& other, Random& random) {
  constexpr char kBytes[] = {'\0', '\r', '\n', ' ', '\t', ':', ';', ',', '"', '\\', '{', '[', '0', '9', '-', '\x7f'};
  for (std::size_t left = 1 + below(4, random); left > 0; --left) {
    const std::size_t at = below(text.size(), random);
    const std::size_t length = below(text.size() - at + 1, random);
    switch (random() % 6) {
      case 0:
        text.insert(at, 1, kBytes[below(sizeof kBytes, random)]);
        break;
      case 1:
        if (!text.empty()) text[at] = static_cast<char>(random());
        break;
      case 2:
        text.erase(at, 1 + below(8, random));
        break;
      case 3:
        text.resize(at);
        break;
      case 4:
        text.insert(at, text.substr(at, std::min<std::size_t>(length, 256)));
        break;
      default:
        text = text.substr(0, at) + other.substr(below(other.size(), random));
        break;
    }
  }
  return text;
}

}  // namespace

int main(int count, char** words) {
  const Arguments arguments = parse(count, words);
  if (arguments.inputs.empty()) usage();
  std::vector<std::string> texts;
  for (const fs::path& path : arguments.inputs) texts.push_back(read(path));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    // Printed before it runs: the last line of a run that ends early names the input.
    std::printf("%s: %zu bytes\n", arguments.inputs[i].c_str(), texts[i].size());
    std::fflush(stdout);
    run(texts[i], arguments);
    for (std::size_t m = 0; m < arguments.mutations; ++m) {
      Random random(arguments.seed * 1'000'003 + i * 10'007 + m);
      run(mutate(texts[i], texts[below(texts.size(), random)], random), arguments);
    }
  }
  std::printf("%zu inputs and %zu mutations of each, seed %llu: no findings\n", texts.size(), arguments.mutations,
              static_cast<unsigned long long>(arguments.seed));
  return 0;
}
