/// What a run tells those who operate it: its log, and its health.
module CnnCluster.Tests.Cli.ObservingTests

open System
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Text.Json.Nodes
open Expecto
open CnnCluster.Tests.Cli.Runs

let private ask (address: string) path =
    use client = new HttpClient(Timeout = patience)
    use response = client.GetAsync($"http://{address}{path}").Result
    int response.StatusCode, JsonNode.Parse(response.Content.ReadAsStringAsync().Result)

let private refused arguments (because: string) =
    Cnn.inFolder (fun folder ->
        let file = Cnn.write folder "net.cnn" endless
        let result = Cnn.run folder ([ "train"; file ] @ arguments)
        Expect.equal result.ExitCode 2 result.Error
        Expect.stringContains result.Error because "why")

[<Tests>]
let tests =
    testList
        "Cli.observing"
        [ test
              "a run says where its health is asked, is ready when it trains, and its log is JSON with the generation in each line" {
              running
                  endless
                  [ "--processes"; "2"; "--health"; "0"; "--log-level"; "info"; "--log-format"; "json" ]
                  (fun run ->
                      let address = string (run.Next("health")["address"])
                      Expect.equal (fst (ask address "/healthz")) 200 "alive before it trains"
                      let start = run.Next "start"
                      Expect.equal (string start["exchange"]) "shared-memory" "how gradients travel"
                      let pids = workers start
                      let code, report = ask address "/readyz"
                      Expect.equal (code, string report["state"], int report["world"]) (200, "Training", 2) "it trains"
                      run.Next "epoch" |> ignore
                      signal "KILL" pids[1]
                      run.Next "regroup" |> ignore
                      let _, report = ask address "/healthz"
                      Expect.equal (int report["generation"]) 2 "the next generation"
                      let code, errors = run.Interrupt()
                      Expect.equal code 130 errors

                      let records =
                          [ for line in errors.Split('\n', StringSplitOptions.RemoveEmptyEntries) ->
                                JsonNode.Parse line ]

                      let has (name: string) (record: JsonNode) = not (isNull record[name])

                      for record in records do
                          for name in [ "time"; "level"; "process"; "source"; "message" ] do
                              Expect.isTrue (has name record) $"{name} in {record}"

                      let said = String.concat "\n" [ for record in records -> string record["message"] ]
                      Expect.stringContains said "; gradients travel through shared memory" "in the log"

                      let from source =
                          records |> List.filter (fun record -> string record["source"] = source)

                      for record in from "coordinator" @ from "worker" do
                          Expect.isTrue (has "generation" record && has "term" record && has "step" record) $"{record}"

                      let messages = [ for record in from "coordinator" -> string record["message"] ]
                      Expect.contains messages "Training → Validating" "states"
                      Expect.exists messages (fun message -> message.Contains "killed by signal 9") "why it regrouped"

                      Expect.equal
                          (set [ for record in from "worker" -> int record["process"] ])
                          (set pids)
                          "the workers' processes log, too"

                      Expect.contains
                          [ for record in from "worker" -> int record["generation"] ]
                          2
                          "of the second generation")
          }
          test "a node says where its health is asked, and is ready when it has a part in the run" {
              running endless [ "--listen"; "127.0.0.1:0" ] (fun run ->
                  let join = string (run.Next("listen")["join"])
                  run.Next "epoch" |> ignore

                  use node =
                      Cnn.start [ "node"; "--join"; join; "--health"; "0"; "--json" ] run.Folder

                  try
                      let said = Lines node.StandardOutput
                      let health = JsonNode.Parse((said.Next patience).Value)
                      Expect.equal (string health["event"]) "health" "the first thing that it says"
                      run.Next "regroup" |> ignore
                      run.Next "epoch" |> ignore
                      let code, report = ask (string health["address"]) "/readyz"
                      let worker = report["workers"].AsArray()[0]

                      Expect.equal (code, string report["state"], int worker["worker"]) (200, "Working", 1) $"{report}"

                      run.Interrupt() |> ignore
                  finally
                      if not node.HasExited then node.Kill true)
          }
          test "a health port that is taken, and words that are none, are refused before the run begins" {
              use taken = new TcpListener(IPAddress.Loopback, 0)
              taken.Start()
              refused [ "--health"; string taken.LocalEndpoint ] "cannot be listened at"
              refused [ "--log-level"; "loud" ] "--log-level takes debug, info, warning, error or none"
          } ]
