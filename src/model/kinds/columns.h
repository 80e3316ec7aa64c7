// Cells of tables: what `get` prints.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "model/kinds/kind.h"
#include "model/object/json_fields.h"
#include "model/object/object.h"

namespace tidemill::model {

// The cell of one column of one object; null where the object has nothing to say there.
Json print_cell(const Column& column, const Object& object, base::WallTime now);

// The first value at a path of the JSONPath subset that columns use, or nullptr: steps `.name`,
// `['name']`, `[0]` and `[?(@.name=='text')]`. Precondition: the path is well formed (a test walks
// all).
const Json* find_path(const Json& document, std::string_view path);

// A span as kubectl prints ages: "59s", "2m5s", "3h", "2d4h". Source: kubernetes/apimachinery
// pkg/util/duration HumanDuration.
std::string human_duration(base::Duration span);

// The cells that kubectl's tables compute.
Json cell_age(const Object& object, base::WallTime now);
Json cell_data_count(const Object& object, base::WallTime now);
Json cell_secret_count(const Object& object, base::WallTime now);
Json cell_service_type(const Object& object, base::WallTime now);
Json cell_cluster_ip(const Object& object, base::WallTime now);
Json cell_external_ip(const Object& object, base::WallTime now);
Json cell_ports(const Object& object, base::WallTime now);
Json cell_selector(const Object& object, base::WallTime now);
Json cell_last_seen(const Object& object, base::WallTime now);
Json cell_first_seen(const Object& object, base::WallTime now);
Json cell_involved_object(const Object& object, base::WallTime now);
Json cell_event_source(const Object& object, base::WallTime now);
Json cell_event_count(const Object& object, base::WallTime now);
Json cell_pod_ready(const Object& object, base::WallTime now);
Json cell_pod_status(const Object& object, base::WallTime now);
Json cell_pod_restarts(const Object& object, base::WallTime now);
Json cell_deployment_ready(const Object& object, base::WallTime now);
Json cell_deployment_updated(const Object& object, base::WallTime now);
Json cell_deployment_available(const Object& object, base::WallTime now);
Json cell_container_names(const Object& object, base::WallTime now);
Json cell_container_images(const Object& object, base::WallTime now);
Json cell_match_labels(const Object& object, base::WallTime now);

}  // namespace tidemill::model
