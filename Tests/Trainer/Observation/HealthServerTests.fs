module CnnCluster.Tests.Trainer.Observation.HealthServerTests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Text
open Expecto
open Microsoft.Extensions.Logging
open CnnCluster.Trainer
open CnnCluster.Trainer.Observation
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Comparisons

let private observation () =
    ProcessObservation(LogOptions(LogLevel.None, LogFormat.Text), TextWriter.Null)

let private serving act =
    let observation = observation ()
    use server = HealthServer.Start("0", observation)
    act observation.Status server.Address

let private connect (address: string) =
    let client = new TcpClient(ReceiveTimeout = 20_000, SendTimeout = 20_000)
    client.Connect(IPEndPoint.Parse address)
    client

/// What the server answers to these bytes, read to its end.
let private answer address (request: string) =
    use client = connect address
    client.GetStream().Write(Encoding.ASCII.GetBytes request)
    use reader = new StreamReader(client.GetStream())
    reader.ReadToEnd()

let private statusOf (text: string) = int (text.Split(' ')[1])

let private get address path =
    statusOf (answer address $"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")

let private refusal text =
    (Expect.throwsC (fun () -> HealthServer.Start(text, observation ()) |> ignore) id :?> UserException).Message

[<Tests>]
let tests =
    testList
        "Trainer.Observation.HealthServer"
        [ test "it listens on loopback unless it is told otherwise" {
              serving (fun _ address ->
                  Expect.equal (IPEndPoint.Parse address).Address IPAddress.Loopback "loopback"
                  Expect.isGreaterThan (IPEndPoint.Parse address).Port 0 "at a port that is free")
          }
          test "a client gets the report, which says what the status says" {
              serving (fun status address ->
                  status.Note("worker-0", WorkerStatus(Nullable 0, 1L, 0L, true, Heartbeat(Step = 5L)))
                  use client = new HttpClient(Timeout = TimeSpan.FromSeconds 20.0)
                  use response = client.GetAsync($"http://{address}/healthz").Result
                  Expect.equal response.StatusCode HttpStatusCode.OK "alive"
                  Expect.equal (string response.Content.Headers.ContentType) "application/json" "what it is"
                  let body = response.Content.ReadAsStringAsync().Result
                  Expect.stringContains body "\"state\":\"Working\",\"generation\":1" "the report")
          }
          test "one is alive before it is ready" {
              serving (fun status address ->
                  Expect.equal (get address "/healthz", get address "/readyz") (200, 503) "it starts"
                  status.Note(LeadStatus("Training", 1L, 0L, 1, 0L, 2, true))
                  Expect.equal (get address "/readyz?verbose=1") 200 "a query changes nothing")
          }
          test "what is no question of ours is refused by its status" {
              serving (fun _ address ->
                  let status request = statusOf (answer address request)

                  Expect.equal
                      [ get address "/"
                        status "POST /healthz HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
                        status "hello\r\n\r\n"
                        status "GET healthz HTTP/1.1\r\n\r\n"
                        status "GET /healthz HTTP/2.0\r\n\r\n"
                        status ("GET /healthz HTTP/1.1\r\nX: " + String('x', 20_000)) ]
                      [ 404; 405; 400; 400; 400; 431 ]
                      "statuses"

                  Expect.stringContains
                      (answer address "PUT / HTTP/1.1\r\n\r\n")
                      "\r\nAllow: GET\r\n"
                      "what is allowed")
          }
          test "connections that ask nothing keep no probe from its answer" {
              serving (fun _ address ->
                  let idle = [ for _ in 1..400 -> connect address ]

                  try
                      Expect.equal (get address "/healthz") 200 "answered"
                  finally
                      for client in idle do
                          client.Dispose())
          }
          test "a port that is taken, and what is no address, are the user's mistakes" {
              use taken = new TcpListener(IPAddress.Loopback, 0)
              taken.Start()
              let address = string taken.LocalEndpoint
              Expect.stringContains (refusal address) $"--health {address}: {address} cannot be listened at" "taken"
              Expect.stringContains (refusal "here") "'here' is neither" "a word"
              Expect.stringContains (refusal "70000") "'70000' is neither" "no port"
          }
          test "it ends, and its port is free again" {
              let address = serving (fun _ address -> address)
              use again = HealthServer.Start(address, observation ())
              Expect.equal again.Address address "the same"
          } ]
