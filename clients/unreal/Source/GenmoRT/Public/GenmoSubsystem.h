#pragma once

#include "CoreMinimal.h"
#include "GenmoTypes.h"
#include "Subsystems/GameInstanceSubsystem.h"
#include "GenmoSubsystem.generated.h"

class FGenmoConnection;
class FGenmoLiveLinkSource;

DECLARE_DYNAMIC_MULTICAST_DELEGATE_OneParam(FGenmoStateChanged, EGenmoState, State);

/**
 * Connects a game to a stream, in the editor and in packaged games: adds a Live Link source, so that
 * animation blueprints find its subjects, and gives poses to blueprints directly.
 */
UCLASS()
class GENMORT_API UGenmoSubsystem : public UGameInstanceSubsystem
{
	GENERATED_BODY()

public:
	/** ws://HOST:PORT/v1/streams/STREAM/poses (or wss). Leaves what it was connected to before. */
	UFUNCTION(BlueprintCallable, Category = "Genmo RT", meta = (AdvancedDisplay = "Token"))
	void Connect(const FString& Url, const FString& Token);

	UFUNCTION(BlueprintCallable, Category = "Genmo RT")
	void Disconnect();

	UFUNCTION(BlueprintPure, Category = "Genmo RT")
	EGenmoState GetState() const;

	/** Why there is no connection; empty while all is well. */
	UFUNCTION(BlueprintPure, Category = "Genmo RT")
	FString GetLastError() const;

	/** Who is there and how they stand now, evened out; false before the first pose. */
	UFUNCTION(BlueprintCallable, Category = "Genmo RT")
	bool GetPersons(TArray<FGenmoPerson>& Persons);

	/** Median time from capture until poses are here, milliseconds. */
	UFUNCTION(BlueprintPure, Category = "Genmo RT")
	float GetLatencyMs() const;

	UPROPERTY(BlueprintAssignable, Category = "Genmo RT")
	FGenmoStateChanged OnStateChanged;

	//~ USubsystem interface
	virtual void Deinitialize() override;

private:
	void HandleChange();

	TSharedPtr<FGenmoConnection> Connection;
	TSharedPtr<FGenmoLiveLinkSource> Source;
	EGenmoState ToldState = EGenmoState::Stopped;
};
