#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>

#include "streaming/api_record.h"
#include "tools/cairn/first_line.h"
#include "tools/cairn/line_source.h"
#include "tools/cairn/output.h"
#include "tools/cairn/upload.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kRejectionsShown = 20;

constexpr const char* kTakenOnce =
    "What is taken once: a file goes to the server in parts, its lines 1 to 1000, 1001 to 2000 and so on, cut smaller\n"
    "where 1 MB is full. A part whose lines the server took from this file before counts once, in any later run, as\n"
    "long as its key is known (state.idempotency_keys, state.idempotency_age). A part that has changed is new, with "
    "all\n"
    "its lines: the last one of a file that has grown, and the first one of a run that begins within it. So add what\n"
    "was appended with the --from-line that the run before told, and do not begin earlier. An event with an event_id\n"
    "counts once however it comes again (decode.dedup_ids). Standard input and --again know nothing again.\n\n";

struct IngestArguments {
  std::string file;
  std::uint64_t from_line = 1;
  bool strict = false;
  bool again = false;
};

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
        progress_("events sent", options.quiet) {}

  void run() {
    Result<LineSource> source = LineSource::open(arguments_.file);
    if (!source.ok()) fail(source.status());
    send_lines(*source);
    progress_.clear();
    next_line_ = source->number() + 1;
    report();
    if (rejected_ > 0 && (arguments_.strict || accepted_ == 0)) exit_with(kExitFailed);
  }

 private:
  /// Parts begin at the same lines wherever a run begins, so that the server knows all of them but the first again.
  void send_lines(LineSource& source) {
    Chunk chunk;
    std::string_view line;
    for (;;) {
      const Result<bool> more = source.next(&line);
      if (!more.ok()) {
        if (!chunk.empty()) send_part(chunk);         // what was read before the fault is good
        give_up(more.status(), source.number() + 1);  // the line that could not be read whole
      }
      if (!*more) break;
      if (source.number() < arguments_.from_line) continue;
      if (lines_ == 0) look_at(line, source.number());
      ++lines_;
      if (!chunk.fits(line.size()) || !chunk.reaches(source.number())) {
        send_part(chunk);
        chunk = Chunk();
      }
      chunk.add(line, source.number());
    }
    if (!chunk.empty()) send_part(chunk);
  }

  /// A file of another kind is refused whole, instead of line by line into the server's dead letters.
  void look_at(std::string_view line, std::uint64_t number) {
    const std::string trouble = trouble_of_first_line(line, arguments_.file);
    if (trouble.empty()) return;
    fail(invalid_argument("line " + std::to_string(number) + " of " + arguments_.file +
                          " is no JSON object: " + trouble + "; nothing was sent"));
  }

  void send_part(const Chunk& part) {
    part_line_ = part.first_line();
    send(part);
  }

  void send(const Chunk& chunk) {
    const Result<HttpReply> reply =
        post_chunk(options_, "/v1/interactions", chunk, key_of(identity_, chunk), &unanswered_);
    if (!reply.ok()) give_up(reply.status(), again_from(chunk));
    if (reply->code == 413) return send_smaller(chunk);
    if (reply->code >= 400) give_up(error_of(*reply), again_from(chunk));
    account(nlohmann::json::parse(reply->body, nullptr, false), chunk);
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
    std::fprintf(stderr, "cairn: %s events were taken; go on with: cairn ingest --from-line %llu%s %s\n",
                 grouped(accepted_).c_str(), static_cast<unsigned long long>(line), arguments_.again ? " --again" : "",
                 arguments_.file.c_str());
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
    std::fprintf(stderr, "cairn: add what is appended later with: cairn ingest --from-line %llu %s\n",
                 static_cast<unsigned long long>(next_line_), arguments_.file.c_str());
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
  bool unanswered_ = false;      ///< the newest request may have been read without an answer
  nlohmann::json rejections_ = nlohmann::json::array();
  nlohmann::json reflected_at_;
};

}  // namespace

void add_ingest_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("ingest", "Send a file of interactions to the server, one JSON object a line");
  auto arguments = std::make_shared<IngestArguments>();
  command->add_option("FILE", arguments->file, "NDJSON, plain or gzip; - for standard input")->required();
  command
      ->add_option("--from-line", arguments->from_line,
                   "Leave out the lines before this one, and go on from it: what was appended to a file")
      ->check(from_one())
      ->capture_default_str();
  command->add_flag("--strict", arguments->strict, "Exit code 1 when any event was rejected, not only when all were");
  command->add_flag("--again", arguments->again, "Count events anew that were taken from this very file before");
  command->footer(
      std::string(kTakenOnce) +
      examples("  cairn ingest events.ndjson.gz\n"
               "  echo '{\"user_id\":\"u1\",\"place_id\":\"p1\",\"type\":\"visit\",\"ts\":\"2024-05-01T12:00:00Z\"}' "
               "| cairn ingest -"));
  command->callback([&options, arguments] { Ingest(options, *arguments).run(); });
}

}  // namespace cairn::cli
