// Who leads to whom between Routes and what they route to.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "control/change.h"

namespace tidemill::control {

// Kept by watching, so that a change finds the Routes that it concerns, and a Route what it must
// write on, without reading a whole namespace for each. It may lag behind the store: whoever plans
// by it is asked again when the lagging change is noticed.
class RouteReferences {
public:
    // A Route, Revision or Configuration as it is now; other kinds are nothing.
    void put(const model::Object& object);
    void erase(const model::ObjectKey& key);
    // Everything known of this kind, because its watch begins anew.
    void forget(model::KindId kind);

    // Names of Routes that name this Revision or Configuration (or the Revision's Configuration) in
    // their traffic, wanted or actual, or that are written on it.
    std::set<std::string> routes_of(const model::Object& target) const;
    // Revisions and Configurations that the Route is written on.
    std::set<model::ObjectKey> written_on(const std::string& space, const std::string& route) const;

private:
    using Names = std::set<std::string>;

    // From a Route's key to what its traffic names, and back.
    std::map<model::ObjectKey, std::set<model::ObjectKey>> named_;
    std::map<model::ObjectKey, Names> naming_;
    // From a target's key to the Routes written on it, and back.
    std::map<model::ObjectKey, std::set<model::ObjectKey>> written_;
    std::map<model::ObjectKey, std::set<model::ObjectKey>> writing_;
};

}  // namespace tidemill::control
