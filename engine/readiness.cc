#include "engine/readiness.h"

namespace cairn {

namespace {

ReadinessCheck optional_check(std::string name, const std::string& trouble, std::string when_well) {
  return {std::move(name), trouble.empty(), false, trouble.empty() ? std::move(when_well) : trouble};
}

/// What keeps the engine from being ready: a consumer that it needs, and that somebody must help.
std::string blocked_and_required(const std::vector<ConsumerHealth>& consumers) {
  std::string all;
  for (const ConsumerHealth& consumer : consumers) {
    if (!consumer.required) continue;
    for (const ConsumerTrouble& trouble : consumer.troubles) {
      if (!trouble.blocked) continue;
      all += (all.empty() ? "" : "; ") + consumer.name() + " is blocked: " + trouble.reason;
    }
  }
  return all;
}

ReadinessCheck required_check(std::string name, const std::string& trouble, std::string when_well) {
  ReadinessCheck check = optional_check(std::move(name), trouble, std::move(when_well));
  check.required = true;
  return check;
}

std::string rows_trouble(const ReadinessInput& input) {
  std::string trouble;
  if (input.invalid_rows > 0) {
    trouble = std::to_string(input.invalid_rows) +
              " reads met a stored row that makes no sense; the log names the first (state.invalid_row)";
  }
  if (input.store.quarantined_operands > 0) {
    trouble += (trouble.empty() ? "" : "; ") + std::to_string(input.store.quarantined_operands) +
               " changes of rows made no sense and were kept aside";
  }
  if (trouble.empty()) return trouble;
  return trouble + "; cairn doctor --deep names the rows; restore a checkpoint, or let their events be read again";
}

}  // namespace

std::vector<ReadinessCheck> check_readiness(const ReadinessInput& input) {
  std::vector<ReadinessCheck> checks;
  const std::string state_trouble = input.closing ? "closing" : input.store.failure;
  checks.push_back(required_check("state", state_trouble, "open"));
  const char* taking = input.store.accepting_writes ? "writing" : "takes nothing until the disk has room";
  checks.push_back(required_check("event_log", input.log_trouble, taking));
  checks.push_back(optional_check("rows", rows_trouble(input), "readable"));
  checks.push_back(optional_check("disk", input.store.accepting_writes ? "" : input.store.detail,
                                  std::to_string(input.store.free_bytes >> 20) + " MiB free"));
  const std::string blocked = blocked_and_required(input.consumers);
  checks.push_back({"consumers", blocked.empty(), true, blocked.empty() ? "none is blocked" : blocked});
  checks.push_back(optional_check("sources", input.sources_trouble, "consuming"));
  checks.push_back(optional_check("dead_letters", input.dead_letters_trouble, "writing"));
  const std::string remark = input.postgres_remark.empty() ? "" : "; " + input.postgres_remark;
  if (input.has_postgres) checks.push_back(optional_check("postgres", input.postgres_trouble, "writing" + remark));
  if (!input.model_trouble.empty() || !input.model_remark.empty()) {
    checks.push_back(optional_check("model", input.model_trouble, input.model_remark));
  }
  return checks;
}

}  // namespace cairn
