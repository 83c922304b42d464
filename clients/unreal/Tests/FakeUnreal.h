// Declarations of the parts of Unreal's interface that the plugin uses, so that a compiler reads the
// sources outside of Core too: names, argument counts and types are checked against what is written
// here by hand. Nothing is defined, linked or run. This is no proof that the plugin builds in Unreal:
// see README, "What was not run".
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>

using int32 = int32_t;
using int64 = int64_t;
using uint8 = uint8_t;
using uint16 = uint16_t;
using uint32 = uint32_t;
using TCHAR = char16_t;
using SIZE_T = size_t;

#define TEXT(X) u##X
#define UTF8_TO_TCHAR(X) (static_cast<const TCHAR*>(FakeToTchar(X)))
#define TCHAR_TO_UTF8(X) (static_cast<const char*>(FakeToUtf8(X)))
#define LOCTEXT(Key, Value) FText()
#define UE_LOG(Category, Verbosity, Format, ...) FakeLog(Category, Format, ##__VA_ARGS__)
#define DECLARE_LOG_CATEGORY_EXTERN(Name, A, B) extern FFakeLog Name
#define DEFINE_LOG_CATEGORY(Name) FFakeLog Name
#define IMPLEMENT_MODULE(Class, Name) static_assert(sizeof(Class) > 0, "the module's class is complete");
#define UCLASS(...)
#define USTRUCT(...)
#define UENUM(...)
#define UPROPERTY(...)
#define UFUNCTION(...)
#define GENERATED_BODY()                                                                                               \
public:                                                                                                                \
	using ThisHasAGeneratedBody = void;                                                                                \
	static UClass* StaticClass();
#define GENMORT_API
#define DECLARE_DELEGATE_RetVal_TwoParams(Result, Name, A, B) using Name = TFakeDelegate<Result(A, B)>
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_OneParam(Name, Type, Argument) using Name = TFakeMulticast<void(Type)>
#define INDEX_NONE (-1)

const char16_t* FakeToTchar(const char*);
const char* FakeToUtf8(const TCHAR*);
struct FFakeLog
{
};
template <typename... Ts> void FakeLog(const FFakeLog&, const TCHAR* Format, Ts... Values);

class UObject;
class UClass;

struct FString
{
	FString();
	FString(const TCHAR*);
	const TCHAR* operator*() const;
	bool IsEmpty() const;
	bool Split(const TCHAR* At, FString* Left, FString* Right) const;
	FString TrimStartAndEnd() const;
	FString TrimEnd() const;
	template <typename... Ts> static FString Printf(const TCHAR* Format, Ts... Values);
};
FString operator+(const FString&, const FString&);
FString operator+(const FString&, const TCHAR*);
FString operator+(const TCHAR*, const FString&);
FString LexToString(int64);
FString LexToString(uint32);

struct FName
{
	FName();
	FName(const char*);
	FName(const TCHAR*);
	bool IsNone() const;
	bool operator==(const FName&) const;
};

struct FText
{
	static FText FromString(const FString&);
	const FString& ToString() const;
};

template <typename T> struct TArray
{
	void Add(const T&);
	template <typename... Ts> int32 Emplace(Ts&&... Values)
	{
		T Made(std::forward<Ts>(Values)...);
		return 0;
	}
	void Append(const T*, int32);
	void Reset();
	void Reserve(int32);
	void Init(const T&, int32);
	void SetNum(int32);
	void SetNumUninitialized(int32);
	int32 Num() const;
	bool Contains(const T&) const;
	const T* GetData() const;
	T& operator[](int32);
	const T& operator[](int32) const;
};

template <typename K, typename V> struct TPair
{
	K Key;
	V Value;
};

template <typename K, typename V> struct TMap
{
	struct Iterator
	{
		explicit operator bool() const;
		Iterator& operator++();
		TPair<K, V>* operator->() const;
		void RemoveCurrent();
	};
	Iterator CreateIterator();
	void Add(const K&, const V&);
	V* Find(const K&);
	const V* Find(const K&) const;
	void GenerateValueArray(TArray<V>&) const;
};

template <typename T> struct TSharedRef;
template <typename T> struct TSharedPtr
{
	TSharedPtr();
	template <typename U> TSharedPtr(const TSharedPtr<U>& Other) { static_cast<void>(static_cast<T*>(Other.Get())); }
	template <typename U> TSharedPtr(const TSharedRef<U>& Other) { static_cast<void>(static_cast<T*>(Other.Get())); }
	bool IsValid() const;
	explicit operator bool() const;
	T* operator->() const;
	T* Get() const;
	void Reset();
	TSharedRef<T> ToSharedRef() const;
};
template <typename T> struct TSharedRef
{
	T* operator->() const;
	T* Get() const;
};
template <typename T> struct TSharedFromThis
{
};
template <typename T, typename... Ts> TSharedRef<T> MakeShared(Ts&&... Values)
{
	T* Made = new T(std::forward<Ts>(Values)...);
	static_cast<void>(Made);
	return TSharedRef<T>();
}
template <typename T> T&& MoveTemp(T& Value) { return static_cast<T&&>(Value); }

template <typename T> struct TWeakObjectPtr
{
	TWeakObjectPtr& operator=(T*);
	T* Get() const;
};

struct FDelegateHandle
{
};

template <typename F> struct TFakeDelegate;
template <typename R, typename... As> struct TFakeDelegate<R(As...)>
{
	bool IsBound() const;
	void Unbind();
	R Execute(As...) const;
	bool ExecuteIfBound(As...) const;
	template <typename L> void BindLambda(L&& Lambda) { std::function<R(As...)> Checked(Lambda); }
	template <typename C> static TFakeDelegate CreateSP(C*, R (C::*)(As...));
};
template <typename F> struct TFakeMulticast;
template <typename... As> struct TFakeMulticast<void(As...)>
{
	void Broadcast(As...) const;
	void Remove(const FDelegateHandle&);
	void RemoveAll(const void*);
	template <typename C> FDelegateHandle AddSP(C*, void (C::*)(As...));
	template <typename C> FDelegateHandle AddRaw(C*, void (C::*)(As...));
	template <typename C> FDelegateHandle AddUObject(C*, void (C::*)(As...));
};
using FSimpleMulticastDelegate = TFakeMulticast<void()>;

//~ Mathematics

struct FVector
{
	double X, Y, Z;
	FVector();
	FVector(double, double, double);
	static const FVector ZeroVector;
};
struct FQuat
{
	double X, Y, Z, W;
	FQuat();
	FQuat(double, double, double, double);
	FQuat Inverse() const;
	FQuat operator*(const FQuat&) const;
};
struct FTransform
{
	FTransform();
	FTransform(const FQuat&, const FVector&);
	static const FTransform Identity;
	FVector GetTranslation() const;
	FQuat GetRotation() const;
	void SetRotation(const FQuat&);
	void SetTranslation(const FVector&);
	FVector InverseTransformPosition(const FVector&) const;
	FTransform operator*(const FTransform&) const;
};
struct FMath
{
	static float DegreesToRadians(float);
	static float Sin(float);
	static float Cos(float);
};

//~ Time

struct FPlatformTime
{
	static double Seconds();
	static uint32 Cycles();
};
struct FFrameTime
{
};
struct FFrameRate
{
	FFrameRate(uint32, uint32);
	FFrameTime AsFrameTime(double Seconds) const;
};
struct FQualifiedFrameTime
{
	FQualifiedFrameTime();
	FQualifiedFrameTime(const FFrameTime&, const FFrameRate&);
};
using FTickerDelegate = TFakeDelegate<bool(float)>;
struct FTSTicker
{
	struct FDelegateHandle
	{
		bool IsValid() const;
		void Reset();
	};
	static FTSTicker& GetCoreTicker();
	FDelegateHandle AddTicker(const FTickerDelegate&, float Delay = 0);
	static void RemoveTicker(FDelegateHandle);
};

//~ Modules

struct IModuleInterface
{
	virtual ~IModuleInterface();
	virtual void StartupModule();
	virtual void ShutdownModule();
};
struct FDefaultModuleImpl : IModuleInterface
{
};
struct IModularFeatures
{
	static IModularFeatures& Get();
	bool IsModularFeatureAvailable(const FName&) const;
	template <typename T> T& GetModularFeature(const FName&);
};

//~ Websockets

class IWebSocket
{
public:
	virtual ~IWebSocket();
	virtual void Connect() = 0;
	virtual void Close(int32 Code = 1000, const FString& Reason = FString()) = 0;
	virtual void Send(const FString&) = 0;
	virtual void Send(const void*, SIZE_T, bool bIsBinary = false) = 0;
	virtual TFakeMulticast<void()>& OnConnected() = 0;
	virtual TFakeMulticast<void(const FString&)>& OnConnectionError() = 0;
	virtual TFakeMulticast<void(int32, const FString&, bool)>& OnClosed() = 0;
	virtual TFakeMulticast<void(const FString&)>& OnMessage() = 0;
	virtual TFakeMulticast<void(const void*, SIZE_T, bool)>& OnBinaryMessage() = 0;
};
struct FWebSocketsModule
{
	static FWebSocketsModule& Get();
	TSharedRef<IWebSocket> CreateWebSocket(const FString& Url, const FString& Protocol, const TMap<FString, FString>& Headers);
};

//~ Live Link

struct FGuid
{
};
struct FLiveLinkSubjectKey
{
	FLiveLinkSubjectKey(FGuid, FName);
};
struct FLiveLinkWorldTime
{
	FLiveLinkWorldTime();
	FLiveLinkWorldTime(double Time, double Offset);
};
struct FLiveLinkMetaData
{
	TMap<FName, FString> StringMetaData;
	FQualifiedFrameTime SceneTime;
};
struct UScriptStruct;
struct FLiveLinkSkeletonStaticData
{
	static UScriptStruct* StaticStruct();
	TArray<FName> PropertyNames;
	void SetBoneNames(const TArray<FName>&);
	void SetBoneParents(const TArray<int32>&);
};
struct FLiveLinkAnimationFrameData
{
	static UScriptStruct* StaticStruct();
	FLiveLinkWorldTime WorldTime;
	FLiveLinkMetaData MetaData;
	TArray<float> PropertyValues;
	TArray<FTransform> Transforms;
};
struct FLiveLinkStaticDataStruct
{
	explicit FLiveLinkStaticDataStruct(UScriptStruct*);
	template <typename T> T* Cast();
};
struct FLiveLinkFrameDataStruct
{
	explicit FLiveLinkFrameDataStruct(UScriptStruct*);
	template <typename T> T* Cast();
};
struct ULiveLinkAnimationRole
{
	static UClass* StaticClass();
};
class ILiveLinkSource;
class ILiveLinkClient
{
public:
	static FName ModularFeatureName;
	virtual ~ILiveLinkClient();
	virtual FGuid AddSource(TSharedPtr<ILiveLinkSource>) = 0;
	virtual void RemoveSource(TSharedPtr<ILiveLinkSource>) = 0;
	virtual void RemoveSubject_AnyThread(const FLiveLinkSubjectKey&) = 0;
	virtual void PushSubjectStaticData_AnyThread(const FLiveLinkSubjectKey&, UClass*, FLiveLinkStaticDataStruct&&) = 0;
	virtual void PushSubjectFrameData_AnyThread(const FLiveLinkSubjectKey&, FLiveLinkFrameDataStruct&&) = 0;
};
class ILiveLinkSource
{
public:
	virtual ~ILiveLinkSource() = default;
	virtual void ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid) = 0;
	virtual bool IsSourceStillValid() const = 0;
	virtual bool RequestSourceShutdown() = 0;
	virtual FText GetSourceType() const = 0;
	virtual FText GetSourceMachineName() const = 0;
	virtual FText GetSourceStatus() const = 0;
};
class SWidget
{
};
class UObject
{
};
class ULiveLinkSourceFactory : public UObject
{
public:
	enum class EMenuType
	{
		SubPanel, MenuEntry, Disabled
	};
	using FOnLiveLinkSourceCreated = TFakeDelegate<void(TSharedPtr<ILiveLinkSource>, FString)>;
	virtual ~ULiveLinkSourceFactory();
	virtual FText GetSourceDisplayName() const;
	virtual FText GetSourceTooltip() const;
	virtual EMenuType GetMenuType() const;
	virtual TSharedPtr<SWidget> BuildCreationPanel(FOnLiveLinkSourceCreated) const;
	virtual TSharedPtr<ILiveLinkSource> CreateSource(const FString&) const;
};

//~ Animation

struct FCompactPoseBoneIndex
{
	explicit FCompactPoseBoneIndex(int32);
	int32 GetInt() const;
	bool IsValid() const;
};
struct FMeshPoseBoneIndex
{
	explicit FMeshPoseBoneIndex(int32);
};
struct FBoneContainer
{
	uint16 GetSerialNumber() const;
	int32 GetPoseBoneIndexForBoneName(const FName&) const;
	FCompactPoseBoneIndex MakeCompactPoseIndex(const FMeshPoseBoneIndex&) const;
};
struct FCompactPose
{
	struct Range
	{
		const FCompactPoseBoneIndex* begin() const;
		const FCompactPoseBoneIndex* end() const;
	};
	Range ForEachBoneIndex() const;
	int32 GetNumBones() const;
	FCompactPoseBoneIndex GetParentBoneIndex(const FCompactPoseBoneIndex&) const;
	const FTransform& GetRefPose(const FCompactPoseBoneIndex&) const;
	const FBoneContainer& GetBoneContainer() const;
	FTransform& operator[](const FCompactPoseBoneIndex&);
};
class ULiveLinkRetargetAsset : public UObject
{
public:
	virtual ~ULiveLinkRetargetAsset();
	virtual void BuildPoseFromAnimationData(
		float, const FLiveLinkSkeletonStaticData*, const FLiveLinkAnimationFrameData*, FCompactPose&);
};

//~ Game

class UGameInstanceSubsystem : public UObject
{
public:
	using Super = UGameInstanceSubsystem;
	virtual ~UGameInstanceSubsystem();
	virtual void Deinitialize();
};
