// The rules of the Serving kinds, with Knative's sentences and paths. Source: knative/serving
// pkg/apis/serving/v1/*_validation.go and pkg/apis/serving/{k8s,metadata}_validation.go.
#pragma once

#include <string>

#include "model/object/object.h"
#include "model/object/problem.h"
#include "model/serving/admission.h"
#include "model/serving/serving.h"
#include "model/settings/config.h"

namespace tidemill::model {

// All rules of one object, metadata and template included. Precondition: shape checked, defaults
// set.
Problems validate(const Object& object, const AdmissionContext& context);

// The parts. Every path begins with `path`.
Problems validate_metadata(const Metadata& metadata, const std::string& path);
Problems validate_revision_spec(const RevisionSpec& spec, const PlatformConfig& config,
                                const std::string& path);
// `parent` is the Service or Configuration whose template this is.
Problems validate_template(const RevisionTemplate& revision_template, const Metadata& parent,
                           const PlatformConfig& config, const std::string& path);
// In a Service's spec a target names no configuration: it is the Service's own.
enum class TrafficOf : std::uint8_t { service, route };
Problems validate_traffic(const std::vector<TrafficTarget>& traffic, TrafficOf of,
                          const std::string& path);
// Annotations that a revision template (or a revision) may carry.
Problems validate_template_annotations(const TextMap& annotations, const PlatformConfig& config,
                                       const std::string& path);
// Warnings for annotations of Knative's groups that nothing here reads, or that nobody knows.
Problems check_annotation_treatment(const TextMap& annotations, const std::string& path);

}  // namespace tidemill::model
