#include "model/object/core_fields.h"

#include "model/serving/field_rows.h"

namespace tidemill::model {
namespace {

using namespace rows;

// Source: k8s.io/api core/v1 types.go of Kubernetes 1.34; keys of lists are its listMapKey.
constexpr Field condition[] = {works("lastProbeTime", text), works("lastTransitionTime", text),
                               works("message", text),       works("observedGeneration", int64),
                               works("reason", text),        works("status", text),
                               works("type", text)};

constexpr Field namespace_spec[] = {works("finalizers", text_list)};
constexpr Field namespace_status[] = {merged("conditions", condition, "type"),
                                      works("phase", text)};
constexpr Field namespace_document[] = {
    works("apiVersion", text), works("kind", text), works("metadata", object, metadata_fields),
    works("spec", object, namespace_spec), reported("status", object, namespace_status)};

constexpr Field config_map_document[] = {
    works("apiVersion", text),     works("kind", text),
    works("binaryData", text_map), works("data", text_map),
    works("immutable", flag),      works("metadata", object, metadata_fields)};

constexpr Field secret_document[] = {works("apiVersion", text),
                                     works("kind", text),
                                     works("data", text_map),
                                     works("immutable", flag),
                                     works("metadata", object, metadata_fields),
                                     works("stringData", text_map),
                                     works("type", text)};

constexpr Field object_reference[] = {works("apiVersion", text), works("fieldPath", text),
                                      works("kind", text),       works("name", text),
                                      works("namespace", text),  works("resourceVersion", text),
                                      works("uid", text)};
constexpr Field local_reference[] = {works("name", text)};
constexpr Field service_account_document[] = {works("apiVersion", text),
                                              works("kind", text),
                                              works("automountServiceAccountToken", flag),
                                              merged("imagePullSecrets", local_reference, "name"),
                                              works("metadata", object, metadata_fields),
                                              merged("secrets", object_reference, "name")};

constexpr Field service_port[] = {works("appProtocol", text), works("name", text),
                                  works("nodePort", int32),   needed("port", int32),
                                  works("protocol", text),    works("targetPort", int_or_text)};
constexpr Field client_affinity[] = {works("timeoutSeconds", int32)};
constexpr Field affinity[] = {works("clientIP", object, client_affinity)};
constexpr Field service_spec[] = {works("allocateLoadBalancerNodePorts", flag),
                                  works("clusterIP", text),
                                  works("clusterIPs", text_list),
                                  works("externalIPs", text_list),
                                  works("externalName", text),
                                  works("externalTrafficPolicy", text),
                                  works("healthCheckNodePort", int32),
                                  works("internalTrafficPolicy", text),
                                  works("ipFamilies", text_list),
                                  works("ipFamilyPolicy", text),
                                  works("loadBalancerClass", text),
                                  works("loadBalancerIP", text),
                                  works("loadBalancerSourceRanges", text_list),
                                  merged("ports", service_port, "port|protocol=TCP"),
                                  works("publishNotReadyAddresses", flag),
                                  works("selector", text_map),
                                  works("sessionAffinity", text),
                                  works("sessionAffinityConfig", object, affinity),
                                  works("trafficDistribution", text),
                                  works("type", text)};
constexpr Field ingress_port[] = {works("error", text), works("port", int32),
                                  works("protocol", text)};
constexpr Field load_balancer_ingress[] = {works("hostname", text), works("ip", text),
                                           works("ipMode", text),
                                           works("ports", object_list, ingress_port)};
constexpr Field load_balancer[] = {works("ingress", object_list, load_balancer_ingress)};
constexpr Field core_service_status[] = {merged("conditions", condition, "type"),
                                         works("loadBalancer", object, load_balancer)};
constexpr Field core_service_document[] = {
    works("apiVersion", text), works("kind", text), works("metadata", object, metadata_fields),
    works("spec", object, service_spec), reported("status", object, core_service_status)};

constexpr Field event_source[] = {works("component", text), works("host", text)};
constexpr Field event_series[] = {works("count", int32), works("lastObservedTime", text)};
constexpr Field event_document[] = {works("apiVersion", text),
                                    works("kind", text),
                                    works("action", text),
                                    works("count", int32),
                                    works("eventTime", text),
                                    works("firstTimestamp", text),
                                    works("involvedObject", object, object_reference),
                                    works("lastTimestamp", text),
                                    works("message", text),
                                    works("metadata", object, metadata_fields),
                                    works("reason", text),
                                    works("related", object, object_reference),
                                    works("reportingComponent", text),
                                    works("reportingInstance", text),
                                    works("series", object, event_series),
                                    works("source", object, event_source),
                                    works("type", text)};

}  // namespace

std::span<const Field> core_fields_of(KindId kind) {
    switch (kind) {
        case KindId::core_namespace:
            return namespace_document;
        case KindId::config_map:
            return config_map_document;
        case KindId::secret:
            return secret_document;
        case KindId::service_account:
            return service_account_document;
        case KindId::core_service:
            return core_service_document;
        case KindId::event:
            return event_document;
        default:
            return {};
    }
}

}  // namespace tidemill::model
