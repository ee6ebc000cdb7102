/// The page of the protocol has every message, every state of the coordinator, and the time-outs that the code has.
module CnnCluster.Tests.Docs.ProtocolTests

open System
open System.Reflection
open System.Text.RegularExpressions
open Expecto
open Google.Protobuf.Reflection
open CnnCluster.Kernels
open CnnCluster.Tests.Docs
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol

let private page = Markdown.lines "docs/protocol.md"

/// The rows of the tables under a heading, but for rules and headers, which no code has the names of.
let private rows title =
    Markdown.rows (Markdown.section title page)

let private words (text: string) =
    [ for found in Regex.Matches(text, "[A-Za-z]+") -> found.Value ]

let private messages =
    [ for message: MessageDescriptor in ClusterReflection.Descriptor.MessageTypes -> message.Name ]

/// The messages and parts of messages that the page has a row of; a row may have several, with commas between.
let private explained =
    [ for row in rows "Messages" do
          if row.Head <> "message" && row.Head <> "part" && not (row.Head.StartsWith '-') then
              for name in words row.Head -> name, row ]

let private areOfGenerations =
    set
        [ for message: MessageDescriptor in ClusterReflection.Descriptor.MessageTypes do
              if typeof<IOfGeneration>.IsAssignableFrom message.ClrType then
                  message.Name ]

/// The states that a coordinator can be in.
let private stages =
    let rec isStage (kind: Type) =
        kind <> null && (kind.Name = "Stage" || isStage kind.BaseType)

    set
        [ for kind in typeof<CoordinatorMachine>.GetNestedTypes(BindingFlags.NonPublic ||| BindingFlags.Public) do
              if isStage kind && not kind.IsAbstract then kind.Name ]

let private anywhere =
    BindingFlags.Static
    ||| BindingFlags.Instance
    ||| BindingFlags.Public
    ||| BindingFlags.NonPublic

/// The time that a member of the code has, as `Patience.Silence`.
let private codeHas (name: string) =
    let kind, part = name.Split('.')[0], name.Split('.')[1]

    let ofName =
        [ for assembly in [ typeof<CoordinatorMachine>.Assembly; typeof<ICollective>.Assembly ] do
              yield! assembly.GetTypes() ]
        |> List.filter (fun known -> known.Name = kind)

    let value (known: Type) : TimeSpan option =
        match known.GetField(part, anywhere), known.GetProperty(part, anywhere) with
        | null, null -> None
        | null, property -> Some(unbox (property.GetValue(Patience())))
        | field, _ -> Some(unbox (field.GetValue null))

    match List.choose value ofName with
    | [ time ] -> time
    | found -> failwith $"{name}: {found.Length} times of that name"

let private timeOf (text: string) =
    match text.Split ' ' with
    | [| number; "s" |] -> TimeSpan.FromSeconds(float number)
    | [| number; "min" |] -> TimeSpan.FromMinutes(float number)
    | _ -> failwith $"'{text}' is no time"

/// The page's time-outs by their names in the code.
let private timeOuts =
    [ for row in rows "Time-outs and their reasons" do
          match row with
          | [ _; time; name; _ ] when name.Contains '.' -> name, time
          | _ -> () ]

/// Those of the state machines, all of which the page has.
let private ofMachines =
    [ for property in typeof<Patience>.GetProperties() do
          if property.PropertyType = typeof<TimeSpan> && property.Name <> "LeastStall" then
              $"Patience.{property.Name}"
      for field in typeof<Succession>.GetFields(BindingFlags.Static ||| BindingFlags.NonPublic) do
          if field.FieldType = typeof<TimeSpan> then $"Succession.{field.Name}" ]

[<Tests>]
let tests =
    testList
        "Docs.protocol"
        [ test "every message of cluster.proto is explained, once, and nothing else is" {
              Expect.equal (explained |> List.map fst |> List.sort) (List.sort messages) "messages"
          }
          test "a message is said to count in its generation where the code has it so" {
              let said =
                  set
                      [ for name, row in explained do
                            if row.Length = 5 && Regex.IsMatch(row[2], "^(its|the) generation") then
                                name ]

              Expect.equal said areOfGenerations "messages"
          }
          test "every state of the coordinator is there, and no other" {
              let said =
                  set
                      [ for row in rows "The coordinator's states" do
                            if row.Head <> "state" && not (row.Head.StartsWith '-') then row.Head ]

              Expect.equal said stages "states"
          }
          test "time-outs are those of the code" {
              Expect.isNonEmpty timeOuts "a table"

              for name, time in timeOuts do
                  Expect.equal (timeOf time) (codeHas name) name
          }
          test "every time-out of the state machines is there" {
              Expect.isEmpty (List.except (List.map fst timeOuts) ofMachines) "missing"
          } ]
