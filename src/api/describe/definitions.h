// The kinds that are no built-in ones of Kubernetes, as the CustomResourceDefinitions that a
// cluster would have for them: kubectl asks for them when it meets a kind it does not know, kn when
// it lists sources.
#pragma once

#include "api/request/parameters.h"
#include "api/request/refusal.h"
#include "model/object/json_fields.h"

namespace tidemill::api {

// A CustomResourceDefinitionList; labelSelector is honoured. Errors: 400 (a wrong selector).
Answered<model::Json> definition_list(const Parameters& parameters);
// The one of that name: "services.serving.knative.dev". Errors: 404.
Answered<model::Json> definition(std::string_view name);

}  // namespace tidemill::api
