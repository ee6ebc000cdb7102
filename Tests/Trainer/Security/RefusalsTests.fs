module CnnCluster.Tests.Trainer.Security.RefusalsTests

open System
open System.Collections.Generic
open Expecto
open CnnCluster.Kernels.Collectives
open CnnCluster.Trainer.Security

/// A clock that stands until it is moved.
type private Clock() =
    inherit TimeProvider()
    member val Now = 0L with get, set
    override clock.GetTimestamp() = clock.Now
    override _.TimestampFrequency = TimeSpan.TicksPerSecond

let private noting act =
    let lines, clock = List<string>(), Clock()
    use refusals = new Refusals(Action<_> lines.Add, clock)

    let note (from: string) why =
        refusals.Note(Refusal(from, "the state channel", why))

    act note clock lines
    (refusals :> IDisposable).Dispose()
    lines

[<Tests>]
let tests =
    testList
        "Trainer.Security.refusals"
        [ test "a crowd does not hide who comes with another reason, and is counted" {
              noting (fun note clock lines ->
                  for i in 1..1000 do
                      note $"crowd:{i}" "it was silent"

                  note "someone:1" "it showed another token"
                  Expect.hasLength lines (1 + Refusals.MostAgain + 1) "one, some more, and the other"
                  Expect.stringContains (Seq.last lines) "from someone:1 to the state channel" "who, and where to"
                  clock.Now <- Refusals.Interval.Ticks + 1L
                  note "crowd:1" "it was silent"
                  let told = Seq.skip (2 + Refusals.MostAgain) lines |> Seq.toList

                  Expect.equal
                      told[0]
                      $"cnn: {1000 - 1 - Refusals.MostAgain} more were turned away"
                      "how many were not said"

                  Expect.stringContains told[1] "crowd:1" "and the next is said again")
              |> ignore
          }
          test "reasons of a stranger's own words are bounded too" {
              noting (fun note _ lines ->
                  for i in 1..1000 do
                      note "someone:1" $"it said {i}"

                  Expect.hasLength lines (Refusals.MostKinds + Refusals.MostAgain) "no more")
              |> Seq.last
              |> fun said ->
                  Expect.equal
                      said
                      $"cnn: {1000 - Refusals.MostKinds - Refusals.MostAgain} more were turned away"
                      "how many were not said, in the end"
          } ]
