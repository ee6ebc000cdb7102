module CnnCluster.Tests.Trainer.Storage.CheckpointStoreTests

open System
open System.IO
open System.Text
open Expecto
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Trainer
open CnnCluster.Trainer.Storage

let private receive (store: CheckpointStore) (name: string) (text: string) =
    use content = new MemoryStream(Encoding.UTF8.GetBytes text)
    store.Receive(name, content)

/// Receives states in turn, each with its own name as the content.
let private receiveAll store received =
    for name in received do
        receive store name name

let private within act =
    inFolder (fun folder -> act folder (CheckpointStore(Path.Combine(folder, "checkpoints"))))

let private kept folder =
    names (Path.Combine(folder, "checkpoints"))

let private bestOf folder =
    Path.Combine(folder, "checkpoints", "best.safetensors")

/// A store whose best state could not be copied, though its step was written: where the copy belongs something is in the way.
let private withUncopied act =
    within (fun folder store ->
        Directory.CreateDirectory(bestOf folder) |> ignore

        Expect.throwsT<IOException>
            (fun () -> receive store "best-step-00000001" "best-step-00000001")
            "the sender is told"

        Directory.Delete(bestOf folder)
        act folder store)

[<Tests>]
let tests =
    testList
        "Storage.CheckpointStore"
        [ test "an empty store has no latest, best or final state" {
              within (fun _ store -> Expect.allEqual [ store.Latest; store.Best; store.Final ] null "none")
          }
          test "the last three steps are kept, and the best and the final state besides" {
              within (fun folder store ->
                  receiveAll store [ "best-step-00000001"; "step-00000002"; "step-00000003"; "step-00000004" ]
                  receiveAll store [ "final"; "step-00000005" ]

                  Expect.equal
                      (kept folder)
                      [ "best.safetensors"
                        "final.safetensors"
                        "step-00000003.safetensors"
                        "step-00000004.safetensors"
                        "step-00000005.safetensors" ]
                      "kept"

                  Expect.equal (File.ReadAllText store.Best) "best-step-00000001" "the best outlives its step"
                  Expect.equal (File.ReadAllText store.Latest) "step-00000005" "latest"
                  Expect.equal (File.ReadAllText store.Final) "final" "final")
          }
          test "a new best replaces the one before" {
              within (fun folder store ->
                  receiveAll store [ "best-step-00000001"; "best-step-00000002" ]
                  Expect.equal (File.ReadAllText store.Best) "best-step-00000002" "the second"

                  Expect.equal
                      (kept folder)
                      [ "best.safetensors"; "step-00000001.safetensors"; "step-00000002.safetensors" ]
                      "both steps too")
          }
          test "steps are ordered by number, also beyond eight digits" {
              within (fun _ store ->
                  receiveAll store [ "step-99999999"; "step-100000000" ]
                  Expect.equal (Path.GetFileName store.Latest) "step-100000000.safetensors" "the greater number")
          }
          test "a store opened again knows what is there" {
              within (fun folder store ->
                  receiveAll store [ "best-step-00000007" ]
                  let again = CheckpointStore(Path.Combine(folder, "checkpoints"))
                  Expect.equal again.Latest store.Latest "latest"
                  Expect.equal again.Best store.Best "best")
          }
          test "the best weights may come alone, to a home that has not seen them be the best" {
              within (fun folder store ->
                  receiveAll store [ "step-00000009"; "best" ]
                  Expect.equal (kept folder) [ "best.safetensors"; "step-00000009.safetensors" ] "beside the last step"
                  Expect.equal (File.ReadAllText store.Best) "best" "as it came")
          }
          test "content that breaks off changes nothing" {
              within (fun folder store ->
                  receiveAll store [ "best-step-00000001" ]

                  let broken =
                      { new MemoryStream(Array.zeroCreate 10) with
                          override _.CopyTo(_, _) =
                              raise (EndOfStreamException "the sender is gone") }

                  Expect.throwsT<EndOfStreamException> (fun () -> store.Receive("best-step-00000002", broken)) "told"
                  Expect.equal (kept folder) [ "best.safetensors"; "step-00000001.safetensors" ] "as before"
                  Expect.equal (File.ReadAllText store.Best) "best-step-00000001" "as before")
          }
          test
              "a best state that cannot be copied is kept as its step, and takes the copy's place before that is deleted" {
              withUncopied (fun folder store ->
                  Expect.equal (kept folder) [ "step-00000001.safetensors" ] "its step is there"
                  Expect.equal (File.ReadAllText(store.OfStep 1L)) "best-step-00000001" "whole"
                  receiveAll store [ "step-00000002"; "step-00000003"; "step-00000004" ]
                  Expect.equal (File.ReadAllText store.Best) "best-step-00000001" "moved"
                  Expect.isNull (store.OfStep 1L) "from there")
          }
          test "a best state that could not be copied is no more than a step when a later one is there" {
              for later in [ "best-step-00000002"; "best" ] do
                  withUncopied (fun _ store ->
                      receiveAll store [ later; "step-00000003"; "step-00000004"; "step-00000005" ]
                      Expect.equal (File.ReadAllText store.Best) later "the later one"
                      Expect.isNull (store.OfStep 1L) "deleted")
          }
          test "old steps make room where the best one cannot be copied" {
              within (fun folder store ->
                  receiveAll store [ "step-00000001"; "step-00000002"; "step-00000003" ]
                  Directory.CreateDirectory(bestOf folder) |> ignore
                  Expect.throwsT<IOException> (fun () -> receive store "best-step-00000004" "x") "told"
                  Expect.isNull (store.OfStep 1L) "deleted all the same")
          }
          test "the best weights are not taken before a checkpoint that knows of them" {
              within (fun folder store ->
                  receiveAll store [ "best-step-00000001" ]
                  let blocked = Path.Combine(folder, "checkpoints", "step-00000002.safetensors")
                  Directory.CreateDirectory blocked |> ignore
                  Expect.throwsT<IOException> (fun () -> receive store "step-00000002" "x") "refused"
                  Expect.throwsT<IOException> (fun () -> receive store "best" "later") "refused too"
                  Expect.equal (File.ReadAllText store.Best) "best-step-00000001" "what goes with the last step"
                  Directory.Delete blocked
                  receiveAll store [ "step-00000002"; "best" ]
                  Expect.equal (File.ReadAllText store.Best) "best" "taken")
          }
          for name in
              [ ""
                "best-final"
                "step-1"
                "step-000000001"
                "step-0000000a"
                "step-00000001\n"
                "Step-00000001"
                "step-00000001.safetensors"
                "../step-00000001"
                "step-00000001/../../x"
                "/etc/passwd"
                "histograms-00000001"
                "step-٠٠٠٠٠٠٠١" ] do
              test $"the name %A{name} is refused" {
                  within (fun folder store ->
                      Expect.throwsT<UserException> (fun () -> receive store name "x") "no checkpoint's name"
                      Expect.isEmpty (kept folder) "nothing written")
              }
          test "fewer than one step cannot be kept" {
              inFolder (fun folder ->
                  let act () = CheckpointStore(folder, 0) |> ignore
                  Expect.throwsT<ArgumentOutOfRangeException> act "0")
          } ]
