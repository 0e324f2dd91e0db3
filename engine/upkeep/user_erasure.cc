#include "engine/upkeep/user_erasure.h"

#include <utility>

#include "cairn/kill_point.h"

namespace cairn::upkeep {

namespace {

constexpr std::chrono::seconds kRetryPeriod{5};

}  // namespace

Status UserErasure::recover() {
  const MutexLock one_at_a_time(mutex_);
  CAIRN_RETURN_IF_ERROR(notes_.load());
  count();
  const std::vector<ErasureNote> notes = notes_.all();
  for (const ErasureNote& note : notes) run(note, Which::kLocal);
  return ok_status();
}

Result<ErasureReceipt> UserErasure::erase(const UserId& user) {
  const MutexLock one_at_a_time(mutex_);
  const ErasureNote note{user, clock_.now(), options_.log_end(), {}};
  CAIRN_RETURN_IF_ERROR(notes_.put(note).with_context("nothing was erased"));
  count();
  CAIRN_KILL_POINT("erasure.noted");
  return run(note, Which::kAll);
}

void UserErasure::go_on() {
  if (pending() == 0 || !mutex_.try_lock()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - tried_ >= kRetryPeriod) {
    const std::vector<ErasureNote> notes = notes_.all();
    for (const ErasureNote& note : notes) run(note, Which::kAll);
    tried_ = now;
  }
  mutex_.unlock();
}

ErasureReceipt UserErasure::run(ErasureNote note, Which which) {
  ErasureReceipt receipt{.user = note.user, .erased_at = note.at, .refused_until = note.at, .parts = {}};
  bool all_done = true;
  for (const Part& part : parts_) {
    if (which == Which::kLocal && !part.local) {
      all_done = all_done && note.done.contains(part.name);
      continue;
    }
    receipt.parts.push_back(run_part(part, &note));
    all_done = all_done && receipt.parts.back().done;
  }
  receipt.refused_until = options_.until(note.user).value_or(note.at);
  if (all_done) {
    if (const Status gone = notes_.remove(note.user); !gone.ok()) {
      receipt.parts.push_back({"notes", "the note that the user was to be erased", 0, false, gone.to_string()});
    }
  }
  count();
  return receipt;
}

ErasedPart UserErasure::run_part(const Part& part, ErasureNote* note) {
  ErasedPart erased{.where = part.name, .what = part.what};
  if (note->done.contains(part.name)) {
    erased.done = true;
    return erased;
  }
  const auto count = part.erase(*note);
  CAIRN_KILL_POINT("erasure.part_done");
  if (!count.ok()) {
    erased.detail = count.status().to_string();
    options_.log.warning("user.erasure_waits", erased.detail, {{"part", part.name}});
    return erased;
  }
  erased.count = *count;
  note->done.insert(part.name);
  const Status noted = notes_.put(*note);
  erased.done = noted.ok();
  if (!noted.ok()) erased.detail = noted.to_string();
  return erased;
}

}  // namespace cairn::upkeep
