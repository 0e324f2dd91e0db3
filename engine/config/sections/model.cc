#include "engine/config/sections/sections.h"

namespace cairn::config {

Section model_section() {
  return {"model",
          "The trained model that is served.",
          {
              make_key<Config>(CAIRN_AT(engine.model.dir),
                               {.name = "dir",
                                .type = KeyType::kText,
                                .doc = "Directory of the model that is served: what cairn train wrote, or one made "
                                       "after engine/model/format.md. Loaded at the start, and again at SIGHUP. A "
                                       "model that cannot be loaded then is logged, and the one before it stays in "
                                       "force; at the start, places are ranked without a model. Empty: no model.",
                                .example = "\"/var/lib/cairn-models/current\"",
                                .live = true}),
              make_key<Config>(CAIRN_AT(http.models_dir),
                               {.name = "root",
                                .type = KeyType::kText,
                                .doc = "Folder whose directories may be activated through the API (cairn model "
                                       "activate NAME), until the next restart or SIGHUP: what is configured counts "
                                       "then. Empty: the folder that model.dir lies in, or without one that of "
                                       "ranking.ranker; without either, none may.",
                                .example = "\"/var/lib/cairn-models\""}),
          }};
}

}  // namespace cairn::config
