// Linked with one module and what that module declares, whole: an undefined symbol here means that
// the module uses something that src/CMakeLists.txt does not say it uses.
int main() {}
