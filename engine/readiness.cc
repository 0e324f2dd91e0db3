#include "engine/readiness.h"

namespace cairn {

namespace {

ReadinessCheck optional_check(std::string name, const std::string& trouble, std::string when_well) {
  return {std::move(name), trouble.empty(), false, trouble.empty() ? std::move(when_well) : trouble};
}

}  // namespace

std::vector<ReadinessCheck> check_readiness(const ReadinessInput& input) {
  std::vector<ReadinessCheck> checks;
  checks.push_back({"state", !input.closing, true, input.closing ? "closing" : "open"});
  checks.push_back(optional_check("disk", input.store.accepting_writes ? "" : input.store.detail,
                                  std::to_string(input.store.free_bytes >> 20) + " MiB free"));
  checks.push_back(optional_check("sources", input.sources_trouble, "consuming"));
  checks.push_back(optional_check("dead_letters", input.dead_letters_trouble, "writing"));
  if (input.has_postgres) checks.push_back(optional_check("postgres", input.postgres_trouble, "writing"));
  return checks;
}

}  // namespace cairn
