// Why this many instances: a decision told to people, and computed again from its own record.
#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "control/autoscaler/autoscaler.h"
#include "model/object/json_fields.h"

namespace tidemill::control {

// The decision as lines of text, from load to number, each with the figures it follows from.
std::string explain_text(const AutoscalerDecision& decision);

// The record, with every input. Instants are nanoseconds of the machine's monotonic clock; `wall`
// is the moment of the decision on the calendar.
model::JsonObject explain_json(const AutoscalerDecision& decision, base::WallTime wall);

// The inverse of explain_json, for checking what somebody was told. Errors: invalid (a member is
// missing or of a wrong type; names it).
base::Result<AutoscalerDecision> decision_from_json(const model::JsonObject& record);

// Decides again from the recorded inputs. A record that was not tampered with equals the result.
AutoscalerDecision recompute(const AutoscalerDecision& record);

}  // namespace tidemill::control
