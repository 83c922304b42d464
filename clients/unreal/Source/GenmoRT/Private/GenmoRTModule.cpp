#include "GenmoConnection.h"
#include "Modules/ModuleManager.h"

DEFINE_LOG_CATEGORY(LogGenmo);

IMPLEMENT_MODULE(FDefaultModuleImpl, GenmoRT)
