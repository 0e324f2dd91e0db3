#include <memory>

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
  print(bytes_text(count_at(answer, "bytes")) + " in " + text_at(answer, "path") + "\n");
  if (options.quiet) return;
  for (const auto& watermark : list_at(answer, "watermarks")) {
    print("  " + text_at(watermark, "source") + "/" + std::to_string(count_at(watermark, "partition")) +
          " reflected up to offset " + std::to_string(count_at(watermark, "offset")) + "\n");
  }
}

void run_wait(const GlobalOptions& options, double timeout_seconds) {
  const auto timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout_seconds * 1000.0));
  const std::string body = nlohmann::json({{"timeout_ms", timeout.count()}}).dump();
  const HttpReply reply = call(
      options,
      {.method = "POST", .target = "/v1/wait-caught-up", .body = body, .timeout = timeout + std::chrono::seconds(10)});
  if (options.json()) {
    print(reply.body + "\n");
  } else if (!options.quiet) {
    print("caught up\n");
  }
}

}  // namespace

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
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  command->footer(examples("  cairn ingest events.ndjson && cairn wait --timeout 60 && cairn status"));
  command->callback([&options, timeout] { run_wait(options, *timeout); });
}

}  // namespace cairn::cli
