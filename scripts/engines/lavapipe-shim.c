/*
 * A Vulkan driver that hands every call to Mesa's software driver, lavapipe, and claims two features
 * that lavapipe lacks: dynamic indexing of arrays of sampled and of storage images. Dawn, the WebGPU
 * inside ONNX Runtime, refuses a device without them. Compute shaders over buffers, all that ONNX
 * Runtime sends, never use them, and the device is created without them.
 *
 * For tests on machines without a GPU; software-vulkan.sh compiles it. LAVAPIPE names the library.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

#define EXPORTED __attribute__((visibility("default")))

typedef PFN_vkVoidFunction(VKAPI_PTR *FindInInstance)(VkInstance, const char *);
typedef VkResult(VKAPI_PTR *Negotiate)(uint32_t *);

static void *lavapipe;
static PFN_vkGetPhysicalDeviceFeatures realFeatures;
static PFN_vkGetPhysicalDeviceFeatures2 realFeatures2;
static PFN_vkCreateDevice realCreateDevice;

static void *symbolOf(const char *name) {
  if (lavapipe == NULL) {
    const char *path = getenv("LAVAPIPE");
    lavapipe = dlopen(path != NULL ? path : "libvulkan_lvp.so", RTLD_NOW | RTLD_LOCAL);
  }
  return lavapipe == NULL ? NULL : dlsym(lavapipe, name);
}

static void setIndexing(VkPhysicalDeviceFeatures *features, VkBool32 value) {
  features->shaderSampledImageArrayDynamicIndexing = value;
  features->shaderStorageImageArrayDynamicIndexing = value;
}

static void VKAPI_CALL claimFeatures(VkPhysicalDevice device, VkPhysicalDeviceFeatures *features) {
  realFeatures(device, features);
  setIndexing(features, VK_TRUE);
}

static void VKAPI_CALL claimFeatures2(VkPhysicalDevice device, VkPhysicalDeviceFeatures2 *features) {
  realFeatures2(device, features);
  setIndexing(&features->features, VK_TRUE);
}

/* Takes back what was claimed: lavapipe would refuse a device that asks for it. */
static VkResult VKAPI_CALL createDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *wanted,
                                        const VkAllocationCallbacks *allocator, VkDevice *device) {
  VkDeviceCreateInfo info = *wanted;
  VkPhysicalDeviceFeatures features;
  if (info.pEnabledFeatures != NULL) {
    features = *info.pEnabledFeatures;
    setIndexing(&features, VK_FALSE);
    info.pEnabledFeatures = &features;
  }
  for (VkBaseOutStructure *next = (VkBaseOutStructure *)info.pNext; next != NULL; next = next->pNext) {
    if (next->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2) continue;
    setIndexing(&((VkPhysicalDeviceFeatures2 *)next)->features, VK_FALSE);
  }
  return realCreateDevice(physical, &info, allocator, device);
}

/* What stands in for a function of lavapipe's, or that function. */
static PFN_vkVoidFunction standIn(const char *name, PFN_vkVoidFunction real) {
  if (real == NULL) return NULL;
  if (strcmp(name, "vkGetPhysicalDeviceFeatures") == 0) {
    realFeatures = (PFN_vkGetPhysicalDeviceFeatures)real;
    return (PFN_vkVoidFunction)claimFeatures;
  }
  if (strncmp(name, "vkGetPhysicalDeviceFeatures2", strlen("vkGetPhysicalDeviceFeatures2")) == 0) {
    realFeatures2 = (PFN_vkGetPhysicalDeviceFeatures2)real;
    return (PFN_vkVoidFunction)claimFeatures2;
  }
  if (strcmp(name, "vkCreateDevice") == 0) {
    realCreateDevice = (PFN_vkCreateDevice)real;
    return (PFN_vkVoidFunction)createDevice;
  }
  return real;
}

EXPORTED PFN_vkVoidFunction VKAPI_CALL vk_icdGetInstanceProcAddr(VkInstance instance,
                                                                 const char *name) {
  FindInInstance find = (FindInInstance)symbolOf("vk_icdGetInstanceProcAddr");
  return find == NULL ? NULL : standIn(name, find(instance, name));
}

EXPORTED PFN_vkVoidFunction VKAPI_CALL vk_icdGetPhysicalDeviceProcAddr(VkInstance instance,
                                                                       const char *name) {
  FindInInstance find = (FindInInstance)symbolOf("vk_icdGetPhysicalDeviceProcAddr");
  return find == NULL ? NULL : standIn(name, find(instance, name));
}

EXPORTED VkResult VKAPI_CALL vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
  Negotiate negotiate = (Negotiate)symbolOf("vk_icdNegotiateLoaderICDInterfaceVersion");
  return negotiate == NULL ? VK_ERROR_INCOMPATIBLE_DRIVER : negotiate(version);
}
