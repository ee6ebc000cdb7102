/// Checks a network's statements and makes its plan.
module internal CnnCluster.Dsl.Checking.NetworkChecker

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Layers
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.NetworkBuilder

let private named (builder: Builder) (flow: Flow) (label: Name option) =
    match label with
    | None -> flow
    | Some name when name.Text = "here" || List.contains name.Text (layerNames @ activationNames) ->
        report
            builder.Sink
            (Diagnostic.error name.Span $"'{name.Text}' is a word of the language, and no name for a value")

        flow
    | Some name ->
        { flow with
            Values = Map.add name.Text flow.Here flow.Values }

let private addDefaults (builder: Builder) (flow: Flow) (body: Body) =
    let layerOf (word: Name) =
        Catalogue.layers |> List.tryFind (fun layer -> layer.Name = word.Text)

    let entry (defaults: Binder.Defaults) (statement: Statement) =
        match statement.Kind with
        | Use(word, _, None) when defaults.ContainsKey word.Text ->
            report builder.Sink (Diagnostic.error word.Span $"'{word.Text}' has its defaults already")
            defaults
        | Use(word, arguments, None) when (layerOf word).IsSome ->
            let layer = (layerOf word).Value

            let keywords =
                arguments
                |> List.choose (function
                    | Keyword(key, value) when Binder.knows builder.Sink layer key -> Some(key, value)
                    | Keyword _ -> None
                    | Positional expression ->
                        report builder.Sink (Diagnostic.error expression.Span "defaults are given by name: key=value")
                        None
                    | Branch body ->
                        report builder.Sink (Diagnostic.error body.Span "defaults have no branches")
                        None)

            Map.add word.Text keywords defaults
        | Unread _ -> defaults
        | _ ->
            report
                builder.Sink
                { Diagnostic.error statement.Span "this is no default" with
                    Expected = Some "a layer with settings, as in: conv bias=no" }

            defaults

    { flow with
        Defaults = body.Statements |> List.fold entry flow.Defaults }

/// More rounds than any network needs are a slip of the hand, and would take all memory.
let private mostRounds = 10000L

let private rounds (builder: Builder) flow (names: Name list) (over: Expression) (upTo: Expression option) =
    let scope, sink = scopeOf flow, builder.Sink

    let few span count =
        if count <= mostRounds then
            Some count
        else
            expected sink span $"a network cannot repeat {count} times" $"{mostRounds} times at most"

    match names, upTo with
    | [], None ->
        whole sink scope 0 over
        |> Option.bind (int64 >> few over.Span)
        |> Option.map (fun count -> List.replicate (int count) [])
    | [], Some last -> expected sink last.Span "a range needs a name for its number" "repeat i in 1..4"
    | [ _ ], Some last ->
        match whole sink scope -1000000 over, whole sink scope -1000000 last with
        | Some first, Some final ->
            few (Span.merge over.Span last.Span) (int64 final - int64 first + 1L)
            |> Option.map (fun _ -> [ for i in first..final -> [ float i ] ])
        | _ -> None
    | _, Some last -> fail sink last.Span "a range gives one name its values"
    | _, None ->
        match evaluate sink scope over with
        | Some(OfRows [ row ]) when names.Length = 1 -> Some [ for value in row -> [ value ] ]
        | Some(OfRows rows) when rows |> List.forall (fun row -> row.Length = names.Length) -> Some rows
        | Some(OfRows _) -> fail sink over.Span $"each row must have {names.Length} entries, one for each name"
        | Some other ->
            expected
                sink
                over.Span
                $"{describe other} is no list"
                "a list such as [64 3; 128 4], or a range such as 1..4"
        | None -> None

let rec private run (builder: Builder) given blocks flow (statement: Statement) =
    let inside body inner =
        (body: Body).Statements
        |> List.fold (run builder given blocks) inner
        |> fun after ->
            { flow with
                Here = after.Here
                Incomplete = after.Incomplete }

    match statement.Kind with
    | Use({ Text = "input" } as word, arguments, label) ->
        named builder (addInput builder given flow word arguments) label
    | Use(word, arguments, label) ->
        let here =
            match Catalogue.layers |> List.tryFind (fun layer -> layer.Name = word.Text) with
            | Some layer -> useLayer builder flow layer word statement.Span arguments
            | None when List.contains word.Text activationNames ->
                useActivation builder flow word statement.Span arguments
            | None -> unknownWord builder blocks word

        named builder { flow with Here = here } label
    | As name -> named builder flow (Some name)
    | From name ->
        match Map.tryFind name.Text flow.Values with
        | Some here -> { flow with Here = here }
        | None when flow.Incomplete -> { flow with Here = Unknown }
        | None ->
            Diagnostic.error name.Span $"no value is called '{name.Text}'"
            |> Suggestion.among (Map.keys flow.Values) name.Text
            |> report builder.Sink

            { flow with Here = Unknown }
    | Output name ->
        notYet builder name.Span "a named output"
        flow
    | Unread _ ->
        { flow with
            Here = Unknown
            Incomplete = true }
    | Let(name, expression) ->
        { flow with
            Numbers = Map.add name.Text (number builder.Sink (scopeOf flow) expression) flow.Numbers }
    | Defaults body ->
        match flow.Here with
        | Undefined -> ()
        | _ ->
            report
                builder.Sink
                (Diagnostic.error statement.Span "'defaults' stand in front of 'input': they are for the whole network")

        addDefaults builder flow body
    | If(condition, whenTrue, whenFalse) ->
        match truth builder.Sink (scopeOf flow) condition, whenFalse with
        | Some true, _ -> inside whenTrue flow
        | Some false, Some otherwise -> inside otherwise flow
        | Some false, None -> flow
        | None, _ -> { flow with Here = Unknown }
    | Repeat(names, over, upTo, body) ->
        match rounds builder flow names over upTo with
        | None -> { flow with Here = Unknown }
        | Some rounds ->
            let bindRound numbers values =
                List.fold2 (fun map (name: Name) value -> Map.add name.Text (Some value) map) numbers names values

            rounds
            |> List.fold
                (fun current values ->
                    inside
                        body
                        { current with
                            Numbers = bindRound flow.Numbers values })
                flow

/// The plan of a network, or `None` if anything is wrong with it; every mistake is noted.
/// `given` fills in the sides that the script leaves open; `blocks` are the names the script declares.
let check (sink: Sink) (given: Shape option) blocks (name: Name) (body: Body) : NetworkPlan option =
    let before = sink.Count
    let builder = Builder sink

    let start =
        { Here = Undefined
          Values = Map.empty
          Numbers = Map.empty
          Defaults = Map.empty
          Incomplete = false }

    let last = body.Statements |> List.fold (run builder given blocks) start

    match last.Here with
    | Undefined when sink.Count = before ->
        expected sink name.Span $"the network '{name.Text}' is empty" "an 'input' and layers"
    | Known value when sink.Count = before ->
        Some
            { Name = name.Text
              Inputs = List.ofSeq builder.Inputs
              Nodes = List.ofSeq builder.Nodes
              Output = value.Input }
    | _ -> None
