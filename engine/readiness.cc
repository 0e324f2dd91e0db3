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

}  // namespace

std::vector<ReadinessCheck> check_readiness(const ReadinessInput& input) {
  std::vector<ReadinessCheck> checks;
  checks.push_back({"state", !input.closing, true, input.closing ? "closing" : "open"});
  checks.push_back(optional_check("disk", input.store.accepting_writes ? "" : input.store.detail,
                                  std::to_string(input.store.free_bytes >> 20) + " MiB free"));
  const std::string blocked = blocked_and_required(input.consumers);
  checks.push_back({"consumers", blocked.empty(), true, blocked.empty() ? "none is blocked" : blocked});
  checks.push_back(optional_check("sources", input.sources_trouble, "consuming"));
  if (input.has_postgres) checks.push_back(optional_check("postgres", input.postgres_trouble, "writing"));
  return checks;
}

}  // namespace cairn
