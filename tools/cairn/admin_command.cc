#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <stop_token>
#include <thread>

#include "cairn/byte_text.h"
#include "cairn/mutex.h"
#include "tools/cairn/api_client.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

constexpr std::chrono::minutes kCheckpointTimeout{60};

void run_checkpoint(const GlobalOptions& options, const std::string& path) {
  const std::string body = nlohmann::json({{"path", path}}).dump();
  const HttpRequest request{.method = "POST", .target = "/v1/checkpoint", .body = body, .timeout = kCheckpointTimeout};
  if (options.json()) return print(call(options, request).body + "\n");
  const nlohmann::json answer = call_json(options, request);
  print(byte_text(count_at(answer, "bytes")) + " in " + text_at(answer, "path") + "\n");
  if (options.quiet) return;
  for (const auto& watermark : list_at(answer, "watermarks")) {
    print("  " + text_at(watermark, "source") + "/" + std::to_string(count_at(watermark, "partition")) +
          " reflected up to offset " + std::to_string(count_at(watermark, "offset")) + "\n");
  }
}

/// Says on standard error what the server's consumers wait for, when that changes, until it ends.
class WaitingWords {
 public:
  explicit WaitingWords(const GlobalOptions& options) {
    if (!options.quiet) thread_ = std::jthread([&options](const std::stop_token& stop) { run(options, stop); });
  }

 private:
  static constexpr std::chrono::seconds kEvery{2};

  static void run(const GlobalOptions& options, const std::stop_token& stop) {
    Mutex mutex;
    std::condition_variable_any ended;
    std::string told;
    MutexLock lock(mutex);
    while (!ended.wait_for(lock, stop, kEvery, [&] { return stop.stop_requested(); })) {
      std::string now = reasons(options);
      if (!now.empty() && now != told) std::fprintf(stderr, "cairn: waiting: %s\n", now.c_str());
      told = std::move(now);
    }
  }

  static std::string reasons(const GlobalOptions& options) {
    const Result<HttpReply> reply = try_call(options, {.target = "/v1/status", .timeout = std::chrono::seconds(5)});
    if (!reply.ok() || reply->code != 200) return "";
    std::string all;
    const auto status = nlohmann::json::parse(reply->body, nullptr, false);
    for (const auto& health : list_at(status, "consumer_health")) {
      for (const auto& trouble : list_at(health, "troubles")) {
        all += (all.empty() ? "" : "; ") + text_at(health, "name") + ": " + text_at(trouble, "reason");
      }
    }
    // A terminal must not obey what stands in a server's message.
    std::replace_if(
        all.begin(), all.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
    return all;
  }

  std::jthread thread_;
};

void run_wait(const GlobalOptions& options, double timeout_seconds) {
  const auto timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout_seconds * 1000.0));
  const std::string body = nlohmann::json({{"timeout_ms", timeout.count()}}).dump();
  const HttpReply reply = [&] {
    const WaitingWords words(options);
    return call(options, {.method = "POST",
                          .target = "/v1/wait-caught-up",
                          .body = body,
                          .timeout = timeout + std::chrono::seconds(10)});
  }();
  if (options.json()) {
    print(reply.body + "\n");
  } else if (!options.quiet) {
    print("caught up\n");
  }
}

void run_consumer(const GlobalOptions& options, const std::string& name, const std::string& what,
                  const std::string& done) {
  const HttpReply reply =
      call(options, {.method = "POST", .target = "/v1/consumers/" + percent_encode(name) + "/" + what, .body = ""});
  if (options.json()) return print(reply.body + "\n");
  if (!options.quiet) print(done + "\n");
}

}  // namespace

void add_consumer_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("consumer", "Help consumers that wait or are blocked (see: cairn status)");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* does, const char* done) {
    auto* one = command->add_subcommand(name, does);
    auto consumer = std::make_shared<std::string>();
    one->add_option("NAME", *consumer, "One consumer (features:kafka), or a source (kafka) for all that read it")
        ->required();
    one->footer(examples("  cairn consumer " + std::string(name) + " features:kafka"));
    one->callback([&options, consumer, name = std::string(name), done = std::string(done)] {
      run_consumer(options, *consumer, name, done);
    });
  };
  add("retry", "Let it try again now instead of at the end of its wait",
      "trying again; cairn status tells the outcome");
  add("accept-gap",
      "Read on where records are gone, from the first record that is there; what is passed over is counted",
      "reading on behind the gap; cairn status tells how many records were passed over");
}

void add_checkpoint_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("checkpoint",
                                     "Copy a consistent state to a new directory on the server's disk, while it runs");
  auto path = std::make_shared<std::string>();
  command->add_option("NAME", *path, "Name of the new directory, in the server's folder state.checkpoints")->required();
  command->footer(examples("  cairn checkpoint $(date +%F)"));
  command->callback([&options, path] { run_checkpoint(options, *path); });
}

void add_wait_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("wait", "Wait until everything the sources hold now has been applied");
  auto timeout = std::make_shared<double>(30.0);
  command->add_option("--timeout", *timeout, "Seconds to wait at most; exit code 5 past it")
      ->check(between(0.0, 600.0))
      ->capture_default_str();
  command->footer(examples("  cairn ingest events.ndjson && cairn wait --timeout 60 && cairn status"));
  command->callback([&options, timeout] { run_wait(options, *timeout); });
}

}  // namespace cairn::cli
