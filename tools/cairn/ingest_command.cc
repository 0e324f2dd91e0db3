#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "streaming/api_record.h"
#include "tools/cairn/output.h"
#include "tools/cairn/record_mapping.h"
#include "tools/cairn/record_source.h"
#include "tools/cairn/upload.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kRejectionsShown = 20;

constexpr const char* kTakenOnce =
    "What is taken once: a file goes to the server in parts, its lines 1 to 1000, 1001 to 2000 and so on, cut smaller\n"
    "where 1 MB is full. A part whose lines the server took from this file before counts once, in any later run, as\n"
    "long as its key is known (state.idempotency_keys, state.idempotency_age). A part that has changed is new, with "
    "all\n"
    "its lines: the last one of a file that has grown, and the first one of a run that begins within it; so is one\n"
    "that other options (--config, --map, --type-map, --time-format, --time-zone, --encoding) make other events of. So "
    "add what\n"
    "was appended with the --from-line that the run before told, and do not begin earlier. An event with an event_id\n"
    "counts once however it comes again (decode.dedup_ids). Standard input and --again know nothing again.\n\n";

struct IngestArguments {
  std::string file;
  std::uint64_t from_line = 1;
  bool strict = false;
  bool again = false;
  bool dry_run = false;
  MappingArguments mapping;
};

/// How many of the first events are judged before any is sent.
constexpr std::size_t kLookedAt = 10;

std::string random_identity() {
  std::random_device random;
  std::string identity = "run";
  for (int i = 0; i < 4; ++i) identity += " " + std::to_string(random());
  return identity;
}

bool is_regular_file(const std::string& path) {
  struct stat file {};
  return path != "-" && ::stat(path.c_str(), &file) == 0 && S_ISREG(file.st_mode);
}

/// Whether a part that is sent again has the key that it had before.
bool has_lasting_identity(const IngestArguments& arguments) { return !arguments.again && arguments.file != "-"; }

/// What a part's idempotency key is of, beside the part itself: the file, under whatever name, so that an ingest that
/// was broken off can be made again. What is read from standard input has no name by which it could come again.
std::string identity_of(const IngestArguments& arguments) {
  if (!has_lasting_identity(arguments)) return random_identity();
  struct stat file {};
  if (::stat(arguments.file.c_str(), &file) != 0) return random_identity();  // opening it tells what is wrong
  return "file " + std::to_string(file.st_dev) + " " + std::to_string(file.st_ino);
}

/// The same lines of the same file have the same key, and hardly anything else.
std::string key_of(const std::string& identity, const Chunk& chunk) {
  const auto print = streaming::call_key(identity + " lines " + std::to_string(chunk.first_line()) + " to " +
                                         std::to_string(chunk.last_line()) + "\n" + chunk.body());
  char key[40];
  const int size = std::snprintf(key, sizeof key, "%016llx%016llx", static_cast<unsigned long long>(print.high),
                                 static_cast<unsigned long long>(print.low));
  return {key, static_cast<std::size_t>(size)};
}

/// Sends a file's events in chunks and keeps the account.
class Ingest {
 public:
  Ingest(const GlobalOptions& options, const IngestArguments& arguments)
      : options_(options),
        arguments_(arguments),
        identity_(identity_of(arguments)),
        progress_(arguments.dry_run ? "events judged" : "events sent", options.quiet) {}

  void run() {
    auto mapping = RecordMapping::make(event_kind(), arguments_.mapping);
    if (!mapping.ok()) fail(Status(mapping.status()));
    mapping_.emplace(*std::move(mapping));
    auto source = RecordSource::open(arguments_.file, arguments_.mapping.encoding);
    if (!source.ok()) refuse_whole(source.status());
    if (source->format() == RecordFormat::kCsv) read_heading(*source);
    send_records(*source);
    progress_.clear();
    next_line_ = source->lines_read() + 1;
    report();
    if (rejected_ > 0 && (arguments_.strict || accepted_ == 0)) exit_with(kExitFailed);
  }

 private:
  /// A file of another kind is refused whole, instead of record by record into the server's dead letters.
  [[noreturn]] void refuse_whole(const Status& status) const {
    std::fprintf(stderr, "cairn: %s\n", status.to_string().c_str());
    std::fprintf(stderr, "cairn: nothing was sent of %s\n", arguments_.file.c_str());
    exit_with(exit_code_of(status.code()));
  }

  void read_heading(const RecordSource& source) {
    const Status heading = mapping_->set_heading(source.heading());
    if (heading.ok()) return;
    refuse_whole(Status(heading).with_context("line " + std::to_string(source.heading_line())));
  }

  /// The record as the server is to have it. Lines of JSON that nothing was said about stay as they are.
  [[nodiscard]] Result<std::string> event_of(const RecordSource& source, const Record& record) const {
    if (source.format() == RecordFormat::kCsv) return mapping_->from_fields(record.fields);
    if (mapping_->plain() && record.json.find("\"Feature\"") == std::string::npos) return record.json;
    Result<std::string> mapped = mapping_->from_json(record.json);
    // One that cannot be read is the server's to refuse, as any other line is.
    if (!mapped.ok() && source.format() == RecordFormat::kLines) return record.json;
    return mapped;
  }

  /// Parts begin at the same lines wherever a run begins, so that the server knows all of them but the first again.
  void send_records(RecordSource& source) {
    Chunk chunk;
    for (Record record;;) {
      const Result<bool> more = source.next(&record);
      if (!more.ok()) stop_at(chunk, more.status(), record.line);
      if (!*more) break;
      if (record.line < arguments_.from_line || trimmed(record.json).empty() == record.fields.empty()) continue;
      const Result<std::string> event = event_of(source, record);
      ++lines_;
      if (!event.ok()) {
        if (lines_ == 1) refuse_whole(Status(event.status()).with_context("line " + std::to_string(record.line)));
        reject(record.line, event.status().message());
        continue;
      }
      if (!chunk.fits(event->size()) || !chunk.reaches(record.line)) {
        send_part(chunk);
        chunk = Chunk();
      }
      chunk.add(*event, record.line);
    }
    if (!chunk.empty()) send_part(chunk);
  }

  /// The file cannot be read on: what was read before is good.
  [[noreturn]] void stop_at(const Chunk& chunk, const Status& status, std::uint64_t line) {
    if (lines_ <= kLookedAt && !looked_) refuse_whole(status);  // what is wrong so early is wrong with all of it
    if (!chunk.empty()) send_part(chunk);
    give_up(status, line);
  }

  /// Lets the server judge the first events. When it would take none of them, for one and the same reason, the file is
  /// not what it was taken for; one that a run has read from before is. A server that cannot say (of an earlier
  /// version, or away) is not waited for.
  void look_at(const Chunk& chunk) {
    if (std::exchange(looked_, true) || arguments_.dry_run || arguments_.from_line > 1) return;
    Chunk first;
    for (std::size_t i = 0; i < std::min(chunk.size(), kLookedAt); ++i) first.add(chunk.record(i), chunk.line(i));
    const std::string body = first.body();
    const auto reply = try_call(
        options_,
        {.method = "POST", .target = "/v1/interactions/check", .body = body, .content_type = "application/x-ndjson"});
    if (!reply.ok() || reply->code != 200) return;
    const auto judged = nlohmann::json::parse(reply->body, nullptr, false);
    const auto& rejections = list_at(judged, "rejections");
    if (rejections.size() < first.size() || rejections.empty()) return;
    const auto kind = [](const std::string& reason) { return reason.substr(0, reason.find(':')); };
    const std::string reason = text_at(rejections.front(), "reason");
    for (const auto& one : rejections) {
      if (kind(text_at(one, "reason")) != kind(reason)) return;
    }
    const std::string count =
        first.size() == 1 ? "the only event" : "the first " + std::to_string(first.size()) + " events";
    refuse_whole(invalid_argument("line " + std::to_string(first.first_line()) + ": " + reason + "; " + count +
                                  " would be refused for this (--from-line goes past them)"));
  }

  void send_part(const Chunk& part) {
    part_line_ = part.first_line();
    look_at(part);
    send(part);
  }

  void send(const Chunk& chunk) {
    const Result<HttpReply> reply =
        arguments_.dry_run ? post_chunk(options_, "/v1/interactions/check", chunk)
                           : post_chunk(options_, "/v1/interactions", chunk, key_of(identity_, chunk), &unanswered_);
    if (!reply.ok()) give_up(reply.status(), again_from(chunk));
    if (reply->code == 413) return send_smaller(chunk);
    const auto ack = nlohmann::json::parse(reply->body, nullptr, false);
    // An answer of 400 with counts says that the server took none of the chunk's events, and why.
    const bool counted = reply->code == 400 && ack.is_object() && ack.contains("rejections");
    if (reply->code >= 400 && !counted) give_up(error_of(*reply), again_from(chunk));
    account(ack, chunk);
    progress_.update(accepted_ + rejected_);
  }

  /// Where to go on when a chunk failed: at its part, which is halved in the same way then, so that the halves have the
  /// keys they had; at the chunk itself where nothing is known again.
  [[nodiscard]] std::uint64_t again_from(const Chunk& chunk) const {
    return has_lasting_identity(arguments_) ? part_line_ : chunk.first_line();
  }

  /// Which limit the server has is not known here, so the chunk is halved until it fits.
  void send_smaller(const Chunk& chunk) {
    if (chunk.size() == 1) return reject(chunk.first_line(), "longer than the server takes");
    const auto [first, second] = chunk.halves();
    send(first);
    send(second);
  }

  void account(const nlohmann::json& ack, const Chunk& chunk) {
    accepted_ += count_at(ack, "accepted");
    if (flag_at(ack, "repeated")) repeated_ += count_at(ack, "accepted");
    // The server names the first hundred rejections only, and counts all.
    const std::size_t named = list_at(ack, "rejections").size();
    for (const auto& rejection : list_at(ack, "rejections")) {
      const std::size_t index = count_at(rejection, "index");
      if (index < chunk.size()) reject(chunk.line(index), text_at(rejection, "reason"));
    }
    rejected_ += count_at(ack, "rejected") - std::min<std::uint64_t>(named, count_at(ack, "rejected"));
    if (ack.is_object() && ack.contains("reflected_at")) reflected_at_ = ack["reflected_at"];
  }

  void reject(std::uint64_t line, const std::string& reason) {
    ++rejected_;
    if (rejections_.size() < kRejectionsShown) rejections_.push_back({{"line", line}, {"reason", reason}});
  }

  /// Everything before `line` has been taken. What was sent with it may have been as well, when no answer came: it has
  /// the same key when it is sent again from the same line of the file.
  [[noreturn]] void give_up(const Status& status, std::uint64_t line) {
    progress_.clear();
    std::fprintf(stderr, "cairn: %s\n", status.to_string().c_str());
    std::fprintf(stderr, "cairn: %s events were taken; go on with: cairn ingest --from-line %llu%s %s%s\n",
                 grouped(accepted_).c_str(), static_cast<unsigned long long>(line), arguments_.again ? " --again" : "",
                 arguments_.file.c_str(), same_options());
    if (unanswered_) {
      std::fputs(has_lasting_identity(arguments_)
                     ? "cairn: if the last part was taken without an answer, the server will know it by its key\n"
                     : "cairn: the last part may have been taken without an answer; sent again it would count twice, "
                       "except events with an event_id\n",
                 stderr);
    }
    const bool timed_out = status.code() == StatusCode::kDeadlineExceeded;
    if (timed_out) exit_with(kExitTimeout);
    exit_with(status.code() == StatusCode::kUnavailable ? kExitUnreachable : kExitFailed);
  }

  void report() const {
    remark_nothing_sent();
    if (options_.json()) {
      nlohmann::json summary = {{"accepted", accepted_},
                                {"rejected", rejected_},
                                {"repeated", repeated_},
                                {"rejections", rejections_},
                                {"reflected_at", reflected_at_}};
      if (arguments_.dry_run)
        summary = {{"would_accept", accepted_}, {"would_reject", rejected_}, {"rejections", rejections_}};
      if (is_regular_file(arguments_.file)) summary["next_line"] = next_line_;
      return print(summary.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    }
    for (const auto& rejection : rejections_) {
      std::fprintf(stderr, "line %s: %s\n", grouped(count_at(rejection, "line")).c_str(),
                   text_at(rejection, "reason").c_str());
    }
    if (rejected_ > rejections_.size()) {
      std::fprintf(stderr, "and %s more\n", grouped(rejected_ - rejections_.size()).c_str());
    }
    if (options_.quiet) return;
    if (arguments_.dry_run) {
      return print(grouped(accepted_) + " events would be taken, " + grouped(rejected_) +
                   " rejected; nothing was taken\n");
    }
    print(grouped(accepted_) + " events taken, " + grouped(rejected_) + " rejected" +
          (rejected_ > 0 ? "; they are in the server's dead letters" : "") + "\n");
    if (repeated_ > 0) {
      print(grouped(repeated_) +
            " of them had been taken from this file before, and count once; --again counts them anew\n");
    }
    std::fflush(stdout);  // the remark stands below
    if (is_regular_file(arguments_.file)) remark_next_line();
  }

  void remark_next_line() const {
    std::fprintf(stderr, "cairn: add what is appended later with: cairn ingest --from-line %llu %s%s\n",
                 static_cast<unsigned long long>(next_line_), arguments_.file.c_str(), same_options());
  }

  [[nodiscard]] const char* same_options() const {
    const bool others = !mapping_->plain() || arguments_.mapping.encoding != Encoding::kUtf8;
    return others ? " (and the same options as this time)" : "";
  }

  void remark_nothing_sent() const {
    if (options_.quiet || lines_ > 0) return;
    const std::string from =
        arguments_.from_line > 1 ? " from line " + std::to_string(arguments_.from_line) + " on" : std::string();
    std::fprintf(stderr, "cairn: nothing was sent: %s has no event%s; its last line is %llu\n", arguments_.file.c_str(),
                 from.c_str(), static_cast<unsigned long long>(next_line_ - 1));
  }

  const GlobalOptions& options_;
  const IngestArguments& arguments_;
  const std::string identity_;
  Progress progress_;
  std::uint64_t accepted_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint64_t repeated_ = 0;   ///< of the accepted ones: the server had them from an earlier run
  std::uint64_t lines_ = 0;      ///< read so far from `from_line` on, without blank ones
  std::uint64_t part_line_ = 0;  ///< where the part that is being sent begins
  std::uint64_t next_line_ = 0;  ///< behind the file's last line
  bool looked_ = false;          ///< the first events were judged
  std::optional<RecordMapping> mapping_;
  bool unanswered_ = false;  ///< the newest request may have been read without an answer
  nlohmann::json rejections_ = nlohmann::json::array();
  nlohmann::json reflected_at_;
};

}  // namespace

void add_ingest_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("ingest", "Send a file of interactions to the server");
  auto arguments = std::make_shared<IngestArguments>();
  command
      ->add_option("FILE", arguments->file,
                   "NDJSON, a JSON array, or CSV (also with ; or tabs) under a heading of user_id, place_id, type, ts "
                   "and optionally "
                   "value, lat, lon, event_id; plain or gzip; - for standard input")
      ->required();
  add_mapping_options(command, &arguments->mapping, true);
  command->add_flag("--dry-run", arguments->dry_run, "Let the server judge every event, and take none");
  command
      ->add_option("--from-line", arguments->from_line,
                   "Leave out the lines before this one, and go on from it: what was appended to a file")
      ->check(from_one())
      ->capture_default_str();
  command->add_flag("--strict", arguments->strict, "Exit code 1 when any event was rejected, not only when all were");
  command->add_flag("--again", arguments->again, "Count events anew that were taken from this very file before");
  command->footer(
      std::string(kTakenOnce) +
      examples(
          "  cairn ingest events.ndjson.gz\n"
          "  cairn ingest --config /etc/cairn/cairn.toml export.csv\n"
          "  cairn ingest --map customer_id=user_id,when=ts --time-format seconds --type-map checkin=visit log.csv\n"
          "  echo '{\"user_id\":\"u1\",\"place_id\":\"p1\",\"type\":\"visit\",\"ts\":\"2024-05-01T12:00:00Z\"}' "
          "| cairn ingest -"));
  command->callback([&options, arguments] { Ingest(options, *arguments).run(); });
}

}  // namespace cairn::cli
