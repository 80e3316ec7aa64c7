// The entries of the table, one per file of this folder.
#pragma once

#include "cli/command.h"

namespace tidemill::cli {

Command apply_command();
Command completion_command();
Command complete_command();  // __complete, which the shells' scripts ask
Command delete_command();
Command deploy_command();
Command describe_command();
Command doctor_command();
Command explain_command();
Command get_command();
Command help_command();
Command invoke_command();
Command logs_command();
Command ls_command();
Command revisions_command();
Command rollback_command();
Command token_command();
Command traffic_command();
Command version_command();

}  // namespace tidemill::cli
