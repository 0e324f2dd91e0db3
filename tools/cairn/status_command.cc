#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cairn/byte_text.h"
#include "tools/cairn/api_client.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

void print_line(std::string_view label, const std::string& value) {
  std::string line = "  " + std::string(label);
  line.resize(17, ' ');
  print(line + value + "\n");
}

std::string hit_rate(const nlohmann::json& status) {
  const double hits = number_at(status, "row_cache_hits");
  const double reads = hits + number_at(status, "row_cache_misses");
  return reads > 0 ? number_text(100.0 * hits / reads) + " % of reads answered" : "not read yet";
}

/// The parts, the largest first: what to look at when a machine is too small.
std::string memory_text(const nlohmann::json& status) {
  std::vector<std::pair<std::uint64_t, std::string>> parts;
  for (const auto& part : list_at(status, "memory")) parts.emplace_back(count_at(part, "bytes"), text_at(part, "part"));
  std::sort(parts.rbegin(), parts.rend());
  std::string text;
  for (const auto& [bytes, part] : parts) text += (text.empty() ? "" : ", ") + part + " " + byte_text(bytes);
  return text;
}

std::string model_text(const nlohmann::json& status) {
  const auto model = status.is_object() ? status.find("model") : status.end();
  if (model == status.end() || !flag_at(*model, "in_force")) return "none";
  return text_at(*model, "version") + " (" + text_at(*model, "kind") + "), " + grouped(count_at(*model, "items")) +
         " items; see: cairn model status";
}

std::string compute_text(const nlohmann::json& status) {
  const auto compute = status.value("compute", nlohmann::json::object());
  std::string text = text_at(status, "compute_backend") + " (" + text_at(compute, "reason") + ")";
  if (!flag_at(compute, "open")) return text;
  return text + ", which failed: " + text_at(compute, "last_failure") + "; " + text_at(compute, "fallback") +
         " answers";
}

std::string batches_text(const nlohmann::json& status) {
  const auto batching = status.value("batching", nlohmann::json::object());
  return grouped(count_at(batching, "batches")) + " of " + grouped(count_at(batching, "scanned")) + " questions; " +
         grouped(count_at(batching, "rejected")) + " refused, " + grouped(count_at(batching, "expired")) +
         " expired, " + grouped(count_at(batching, "cancelled")) + " cancelled, " +
         grouped(count_at(batching, "waiting")) + " wait";
}

void print_summary(const nlohmann::json& status, const std::string& url) {
  print("cairn " + text_at(status, "version") + " at " + url + ": " +
        (flag_at(status, "ready") ? "ready" : "NOT ready") + "\n");
  print_line("up since", text_at(status, "started"));
  print_line("computes on", compute_text(status));
  print_line("events", grouped(count_at(status, "events_applied")) + " applied, " +
                           grouped(count_at(status, "events_rejected")) + " rejected, " +
                           grouped(count_at(status, "events_repeated")) + " repeated");
  if (count_at(status, "events_retracted") + count_at(status, "events_withheld") +
          count_at(status, "retractions_unmatched") >
      0) {
    print_line("corrections", grouped(count_at(status, "events_retracted")) + " events taken back, " +
                                  grouped(count_at(status, "events_withheld")) + " withheld, " +
                                  grouped(count_at(status, "retractions_unmatched")) +
                                  " retractions of unknown events, " + grouped(count_at(status, "values_inexact")) +
                                  " values inexact");
  }
  const std::string newest = text_at(status, "newest_event");
  print_line("newest event", newest.empty() ? "none" : newest);
  print_line("places", grouped(count_at(status, "places")));
  if (const std::uint64_t unreadable = count_at(status, "unreadable_hours"); unreadable > 0) {
    print_line("", "of " + grouped(unreadable) + " the opening hours cannot be read, and are unknown");
  }
  if (const auto waiting = count_at(status, "events_waiting"); waiting > 0) {
    print_line("", grouped(waiting) + " events wait for " + grouped(count_at(status, "unknown_places")) +
                       " places that are not known: import them (cairn places import), and they count by category");
  }
  for (const auto& rule : list_at(status, "idle_rules")) {
    print_line("", "rule " + text_at(rule, "name") + " does nothing, or not what it says: " + text_at(rule, "why"));
  }
  print_line("recommended", grouped(count_at(status, "recommendations")) + " times");
  print_line("batches", batches_text(status));
  print_line("state", byte_text(count_at(status, "state_bytes")) + " on disk");
  print_line("pending", grouped(count_at(status, "pending_rows")) + " rows with changes not written yet");
  print_line("memory", memory_text(status));
  print_line("model", model_text(status));
  print_line("row cache", byte_text(count_at(status, "row_cache_bytes")) + " in memory, " + hit_rate(status));
}

std::string number_or_dash(const nlohmann::json& object, const char* name) {
  return object.contains(name) && object[name].is_number() ? grouped(count_at(object, name)) : "-";
}

/// How far a consumer of features is on disk. The one of PostgreSQL stores what it applies at once.
std::string durable_offset(const nlohmann::json& status, const nlohmann::json& consumer) {
  if (text_at(consumer, "consumer") != "features") return number_or_dash(consumer, "offset");
  for (const auto& mark : list_at(status, "durable")) {
    const bool same = text_at(mark, "source") == text_at(consumer, "source") &&
                      count_at(mark, "partition") == count_at(consumer, "partition");
    if (same) return number_or_dash(mark, "offset");
  }
  return "-";
}

/// What stands behind the consumer of a partition: "running", "waiting", "blocked".
std::string state_of(const nlohmann::json& status, const nlohmann::json& consumer) {
  const std::string name = text_at(consumer, "consumer") + ":" + text_at(consumer, "source");
  for (const auto& health : list_at(status, "consumer_health")) {
    if (text_at(health, "name") != name) continue;
    for (const auto& trouble : list_at(health, "troubles")) {
      const bool all = !trouble.contains("partition") || !trouble["partition"].is_number();
      if (!all && count_at(trouble, "partition") != count_at(consumer, "partition")) continue;
      return flag_at(trouble, "blocked") ? "BLOCKED" : "waiting";
    }
  }
  return flag_at(consumer, "at_end") ? "caught up" : "reading";
}

/// What a consumer went on without, because somebody had accepted that; empty: nothing.
std::string passed_over(const nlohmann::json& health) {
  std::string what;
  if (count_at(health, "gap_records") > 0) what = number_or_dash(health, "gap_records") + " records";
  if (count_at(health, "gap_bytes") > 0) {
    what += (what.empty() ? "" : " and ") + number_or_dash(health, "gap_bytes") + " bytes";
  }
  return what.empty() ? "" : text_at(health, "name") + " passed over " + what + " that were gone, since the start";
}

/// What keeps consumers from going on, what they went on without, and what to do about it.
void print_troubles(const nlohmann::json& status) {
  std::string text;
  for (const auto& health : list_at(status, "consumer_health")) {
    for (const auto& trouble : list_at(health, "troubles")) {
      const bool one = trouble.contains("partition") && trouble["partition"].is_number();
      text += "\n" + text_at(health, "name") + (one ? " partition " + number_or_dash(trouble, "partition") : "") +
              (flag_at(trouble, "blocked") ? " is BLOCKED" : " waits") + " since " + text_at(trouble, "since") +
              "\n  " + text_at(trouble, "reason") + "\n  " + text_at(trouble, "remedy") + "\n";
    }
  }
  for (const auto& health : list_at(status, "consumer_health")) {
    for (const auto& position : list_at(health, "unchecked")) {
      text += "\n" + text_at(health, "name") + " partition " + number_or_dash(position, "partition") +
              " was read on UNCHECKED at " + text_at(position, "since") + "\n  the record at offset " +
              number_or_dash(position, "offset") +
              " is gone, by which the topic is known again\n  if it was made anew meanwhile, the beginning of the new "
              "one was not read\n";
    }
    if (const std::string passed = passed_over(health); !passed.empty()) text += "\n" + passed + "\n";
  }
  // A terminal must not obey what stands in a server's message.
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7F; }, '?');
  print(text);
}

void print_consumers(const nlohmann::json& status) {
  Table table({{"CONSUMER"},
               {"SOURCE"},
               {"PARTITION", Align::kRight},
               {"OFFSET", Align::kRight},
               {"ON DISK", Align::kRight},
               {"LAG", Align::kRight},
               {"STATE"}});
  for (const auto& consumer : list_at(status, "consumers")) {
    table.add({text_at(consumer, "consumer"), text_at(consumer, "source"), number_or_dash(consumer, "partition"),
               number_or_dash(consumer, "offset"), durable_offset(status, consumer),
               consumer.contains("lag") && consumer["lag"].is_number() ? number_or_dash(consumer, "lag") : "unknown",
               state_of(status, consumer)});
  }
  print("\n" + table.to_string(color_wanted()));
}

void print_checks(const nlohmann::json& status) {
  Table table({{"CHECK"}, {"STATE"}, {"DETAIL"}});
  for (const auto& check : list_at(status, "checks")) {
    const std::string failing = flag_at(check, "required") ? "FAIL" : "WARN";
    table.add({text_at(check, "name"), flag_at(check, "ok") ? "OK" : failing, text_at(check, "detail")});
  }
  print("\n" + table.to_string(color_wanted()));
}

void run_status(const GlobalOptions& options) {
  const HttpRequest request{.target = "/v1/status"};
  if (options.json()) return print(call(options, request).body + "\n");
  const nlohmann::json status = call_json(options, request);
  print_summary(status, options.url);
  print_consumers(status);
  print_troubles(status);
  print_checks(status);
}

}  // namespace

void add_status_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("status", "Counts, consumers with their lag, and checks of a running server");
  command->footer(
      examples("  cairn status\n"
               "  cairn -o json status | jq .consumers"));
  command->callback([&options] { run_status(options); });
}

}  // namespace cairn::cli
