module CnnCluster.Tests.Trainer.Metrics.JsonLinesReaderTests

open System
open System.IO
open System.Text.Json
open Expecto
open CnnCluster.Tests.Trainer.Metrics.RunEventSamples
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Metrics

/// A clock that goes on by a second whenever it is asked for the time that has passed.
type private TickingClock() =
    inherit TimeProvider()
    let mutable ticks = 0L
    override _.TimestampFrequency = 1L

    override _.GetTimestamp() =
        ticks <- ticks + 1L
        ticks

    override _.GetUtcNow() = DateTimeOffset.UnixEpoch

/// Keeps what was flushed, and whether it was disposed.
type private FlushedWriter() =
    inherit StringWriter()
    member val Flushed = "" with get, set
    member val Disposed = false with get, set
    override this.Flush() = this.Flushed <- this.ToString()

    override this.Dispose(disposing: bool) =
        this.Disposed <- true
        base.Dispose disposing

let private read ownsWriter (messages: IRunEvent list) =
    let writer = new FlushedWriter()

    do
        use reader = new JsonLinesReader(writer, "runs/lenet", TickingClock(), ownsWriter)
        messages |> List.iter reader.Read

    writer

[<Tests>]
let tests =
    testList
        "Metrics.JsonLinesReader"
        [ test "every event is a line of JSON, flushed and ended by a line feed" {
              let writer =
                  read false [ started; StepProgress(1, 7L, 1.0, 1.0); epochEnded true (metrics 1 usualValues) ]

              let lines = writer.Flushed.Split '\n'
              Expect.equal lines.Length 3 "two lines and nothing behind the last"
              Expect.equal lines[2] "" "nothing behind the last"

              let names =
                  [ for line in lines[..1] do
                        use json = JsonDocument.Parse line
                        json.RootElement.GetProperty("event").GetString() ]

              Expect.equal names [ "start"; "epoch" ] "in order"
          }
          test "the end tells the folder and the seconds since the start" {
              let writer = read false [ started; RunEnded(outcome StopReason.Epochs "") ]
              let last = writer.Flushed.TrimEnd().Split '\n' |> Array.last
              use json = JsonDocument.Parse last
              Expect.equal (json.RootElement.GetProperty("run").GetString()) "runs/lenet" "folder"
              Expect.equal (json.RootElement.GetProperty("seconds").GetDouble()) 2.0 "seconds"
          }
          test "the writer is disposed only by its owner" {
              Expect.isFalse (read false []).Disposed "not the owner"
              Expect.isTrue (read true []).Disposed "the owner"
          } ]
