#include <cstdlib>
#include <memory>
#include <set>

#include "tools/cairn/api_client.h"
#include "tools/cairn/doctor.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

constexpr const char* kDefaultConfig = "/etc/cairn/cairn.toml";

std::string name_of(Health health) {
  switch (health) {
    case Health::kOk:
      return "OK";
    case Health::kWarn:
      return "WARN";
    case Health::kFail:
      break;
  }
  return "FAIL";
}

Finding check_finding(const nlohmann::json& check) {
  const bool ok = flag_at(check, "ok");
  const Health failing = flag_at(check, "required") ? Health::kFail : Health::kWarn;
  return {"server: " + text_at(check, "name"), ok ? Health::kOk : failing, text_at(check, "detail"), ""};
}

/// A consumer that somebody must help is a failure, also where readiness does not ask for it.
std::vector<Finding> consumer_findings(const nlohmann::json& status) {
  std::vector<Finding> findings;
  for (const auto& health : list_at(status, "consumer_health")) {
    for (const auto& trouble : list_at(health, "troubles")) {
      findings.push_back({"consumer: " + text_at(health, "name"),
                          flag_at(trouble, "blocked") ? Health::kFail : Health::kWarn,
                          (flag_at(trouble, "blocked") ? "blocked since " : "waits since ") +
                              text_at(trouble, "since") + ": " + text_at(trouble, "reason"),
                          text_at(trouble, "remedy")});
    }
  }
  return findings;
}

/// Which model is served. One whose items are mostly no places was trained on other ids, or on another city.
std::vector<Finding> model_findings(const nlohmann::json& status) {
  const auto model = status.is_object() ? status.find("model") : status.end();
  if (model == status.end() || !model->is_object()) return {};  // a server of an earlier version
  Finding finding{"served model", Health::kOk, "none", ""};
  if (flag_at(*model, "in_force")) {
    const std::uint64_t items = count_at(*model, "items");
    const std::uint64_t strangers = count_at(*model, "items_without_place");
    finding.detail = text_at(*model, "version") + " of " + text_at(*model, "directory") + ", " + grouped(items) +
                     " items, of these " + grouped(strangers) + " no places";
    if (strangers > items / 2) {
      finding.health = Health::kWarn;
      finding.remedy =
          "most of the model cannot be recommended: import the places it knows (cairn places import), or train it on "
          "interactions whose place ids are those of the catalogue";
    }
  }
  return {finding};
}

void append(std::vector<Finding>& all, std::vector<Finding> more) {
  for (Finding& finding : more) all.push_back(std::move(finding));
}

std::vector<Finding> examine(const GlobalOptions& options, const std::string& path, bool required, bool deep) {
  DoctorConfig examined = examine_config(path, required);
  std::vector<Finding> findings = std::move(examined.findings);
  append(findings, examine_state_dir(examined.config.engine));
  if (deep) append(findings, examine_state_files(examined.config.engine));
  findings.push_back(examine_database(examined.config.engine));
  findings.push_back(examine_open_files(examined.config.http.connections_max));
  findings.push_back(examine_clock());
  append(findings, examine_server(options));
  return findings;
}

void print_json(const std::vector<Finding>& findings, bool ok) {
  nlohmann::json checks = nlohmann::json::array();
  for (const Finding& finding : findings) {
    checks.push_back({{"check", finding.check},
                      {"health", name_of(finding.health)},
                      {"detail", finding.detail},
                      {"remedy", finding.remedy}});
  }
  const nlohmann::json report = {{"ok", ok}, {"checks", checks}};
  print_as_json(report);
}

void print_table(const std::vector<Finding>& findings) {
  Table table({{"CHECK"}, {"HEALTH"}, {"DETAIL"}});
  for (const Finding& finding : findings) table.add({finding.check, name_of(finding.health), finding.detail});
  print(table.to_string(color_wanted()));
  std::set<std::string> said;  // many files may need the same
  for (const Finding& finding : findings) {
    const std::string line = finding.check + ": " + finding.remedy;
    if (finding.health == Health::kOk || finding.remedy.empty() || !said.insert(line).second) continue;
    print("\n" + line + "\n");
  }
}

/// What places are scanned with, and why that.
Finding compute_finding(const nlohmann::json& told) {
  const auto compute = told.value("compute", nlohmann::json::object());
  const std::string what = text_at(told, "compute_backend") + ": " + text_at(compute, "reason");
  if (!flag_at(compute, "open")) return {"server: computes on", Health::kOk, what, ""};
  return {
      "server: computes on", Health::kWarn,
      what + ". It failed (" + text_at(compute, "last_failure") + "), and " + text_at(compute, "fallback") + " answers",
      "look into the system's log for the device (nvidia-smi, dmesg); it is tried again by itself. A driver that "
      "lost the device needs a restart of cairnd"};
}

}  // namespace

std::vector<Finding> examine_server(const GlobalOptions& options) {
  const Result<HttpReply> ready = try_call(options, {.target = "/readyz", .timeout = std::chrono::seconds(5)});
  if (!ready.ok()) {
    return {{"server", Health::kFail, ready.status().message(),
             "start it: systemctl start cairnd, or cairnd --config FILE"}};
  }
  const auto body = nlohmann::json::parse(ready->body, nullptr, false);
  if (!body.is_object() || !body.contains("ready")) {
    return {{"server", Health::kFail, "what answers at " + options.url + " is not Cairn",
             "name the right address: --url or CAIRN_URL"}};
  }
  std::vector<Finding> findings;
  const bool is_ready = flag_at(body, "ready");
  findings.push_back({"server", is_ready ? Health::kOk : Health::kFail,
                      options.url + (is_ready ? " is ready" : " is not ready"),
                      is_ready ? "" : "mend the failing checks of the server"});
  for (const auto& check : list_at(body, "checks")) findings.push_back(check_finding(check));
  const Result<HttpReply> status = try_call(options, {.target = "/v1/status", .timeout = std::chrono::seconds(5)});
  if (status.ok() && status->code == 200) {
    const auto told = nlohmann::json::parse(status->body, nullptr, false);
    append(findings, consumer_findings(told));
    append(findings, model_findings(told));
    findings.push_back(compute_finding(told));
  }
  return findings;
}

void add_doctor_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("doctor", "Look for what keeps Cairn from running well, and say what to do");
  auto path = std::make_shared<std::string>(kDefaultConfig);
  auto* file = command->add_option("--config", *path, "Configuration file")->capture_default_str();
  auto deep = std::make_shared<bool>(false);
  command->add_flag("--deep", *deep,
                    "Read every byte of the state directory and name each file that is damaged; as slow as the disk");
  command->footer("Ends with 0 when nothing failed, else with 1.\n\n" +
                  examples("  cairn doctor\n"
                           "  sudo -u cairn cairn doctor --config /etc/cairn/cairn.toml\n"
                           "  sudo -u cairn cairn doctor --deep"));
  command->callback([&options, path, file, deep] {
    const std::vector<Finding> findings = examine(options, *path, file->count() > 0, *deep);
    bool ok = true;
    for (const Finding& finding : findings) ok &= finding.health != Health::kFail;
    options.json() ? print_json(findings, ok) : print_table(findings);
    if (!ok) exit_with(kExitFailed);
  });
}

}  // namespace cairn::cli
