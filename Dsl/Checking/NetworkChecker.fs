/// Checks a network's statements and makes its plan.
module internal CnnCluster.Dsl.Checking.NetworkChecker

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.Declared
open CnnCluster.Dsl.Checking.NetworkBuilder
open CnnCluster.Dsl.Checking.Placement

/// Braces within braces, blocks' uses counted in: no more than the stack holds.
[<Literal>]
let private Deepest = 200

let private unknown (flow: Flow) = { flow with Here = Unknown }

let rec private run (builder: Builder) flow (statement: Statement) =
    if not (builder.Goes statement.Span) then
        unknown flow
    else
        match statement.Kind with
        | Use({ Text = "input" } as word, arguments, label) -> Inputs.input builder flow word arguments label
        | Use(word, arguments, label) ->
            let here = useWord builder flow word statement.Span arguments
            named builder { flow with Here = here } label
        | As name -> named builder flow (Some name)
        | From name ->
            { flow with
                Here = valueOf builder.Sink (scopeOf flow) name }
        | Output name ->
            Inputs.output builder flow name
            flow
        | Unread _ -> { unknown flow with Incomplete = true }
        | Let(name, expression) ->
            refuseReserved builder.Sink builder.Words "a number" name

            number builder.Sink (scopeOf flow) expression
            |> Option.map OfNumber
            |> bindName builder "number" flow name
        | Defaults body -> defaults builder flow statement body
        | If(condition, whenTrue, whenFalse) ->
            match truth builder.Sink (scopeOf flow) condition, whenFalse with
            | Some true, _ -> inside builder flow flow whenTrue
            | Some false, Some otherwise -> inside builder flow flow otherwise
            | Some false, None -> flow
            | None, _ -> unknown flow
        | Repeat(names, over, upTo, body) -> repeat builder flow names over upTo body

/// Runs a body; what it names and its defaults end with it.
and private inside (builder: Builder) flow inner (body: Body) =
    if flow.Depth >= Deepest then
        report builder.Sink (Diagnostic.error body.Span $"braces and blocks nest more than {Deepest} deep here")
        unknown flow
    else
        runInside builder flow { inner with Depth = flow.Depth + 1 } body

and private runInside builder flow inner (body: Body) =
    let after = List.fold (run builder) inner body.Statements

    { flow with
        Here = after.Here
        Incomplete = after.Incomplete }

and private useWord (builder: Builder) flow (word: Name) span arguments =
    let runBody inner body = inside builder inner inner body

    match
        Map.tryFind word.Text builder.Words.Units,
        builder.Words.Layers |> List.tryFind (fun layer -> layer.Name = word.Text)
    with
    | Some declared, _ -> Expansion.useUnit builder flow runBody declared word span arguments
    | None, Some layer when layer.Operands = Several -> Merging.merge builder flow runBody layer word span arguments
    | None, Some layer -> useLayer builder flow layer word span arguments
    | None, None when GivenArguments.isActivation word.Text -> useActivation builder flow word span arguments
    | None, None ->
        refuseUnknown builder.Sink builder.Words word
        Unknown

and private defaults builder flow statement body =
    if flow.Here <> Undefined || builder.Inputs.Count > 0 then
        report
            builder.Sink
            (Diagnostic.error statement.Span "'defaults' stand in front of 'input': they are for the whole network")

    Defaulting.add builder flow body

and private repeat builder flow names over upTo body =
    names |> List.iter (refuseReserved builder.Sink builder.Words "a number")

    match Repetition.rounds builder.Sink (scopeOf flow) names over upTo with
    | None -> unknown flow
    | Some rounds ->
        let round current values =
            let bound =
                List.fold2 (fun inner name value -> bindName builder "number" inner name (Some value)) flow names values

            inside
                builder
                flow
                { bound with
                    Here = current.Here
                    Incomplete = current.Incomplete }
                body

        rounds
        |> List.fold
            (fun current values -> if builder.GoesRound body.Span then round current values else unknown current)
            flow

// ---- the whole network ----

/// Nodes whose value nothing takes: what a network computes in vain.
let private deadEnds (plan: NetworkPlan) =
    let taken =
        [ for node in plan.Nodes do
              yield! node.Inputs
          for output in plan.Outputs -> output.Source ]
        |> Set.ofList

    [ for i, node in List.indexed plan.Nodes do
          if not (taken.Contains(FromNode i)) then node ],
    [ for i, input in List.indexed plan.Inputs do
          if not (taken.Contains(FromInput i)) then i, input ]

let private warn (builder: Builder) (plan: NetworkPlan) =
    let nodes, inputs = deadEnds plan

    let unused =
        [ for KeyValue(place, (what, name)) in builder.Defined do
              if not (builder.Sink.Used.Contains place) then what, name ]

    for what, name in unused do
        report builder.Sink (Diagnostic.warning name.Span $"the {what} '{name.Text}' is never used")

    for place, same in nodes |> List.groupBy _.Span do
        let named =
            unused
            |> List.exists (fun (_, name) -> name.Span.File = place.File && name.Span.Start.Line = place.End.Line)

        if not named then
            report
                builder.Sink
                (Diagnostic.warning place $"'{same.Head.Path}' leads to no output: nothing takes its value")

    for i, input in inputs do
        report builder.Sink (Diagnostic.warning builder.InputPlaces[i] $"the input '{input.Name}' leads to no output")

let private planOf (builder: Builder) (name: Name) (last: Here) =
    let plan outputs =
        Some
            { Name = name.Text
              Inputs = List.ofSeq builder.Inputs
              Nodes = List.ofSeq builder.Nodes
              Outputs = outputs }

    match last with
    | _ when builder.Outputs.Count > 0 -> plan (List.ofSeq builder.Outputs)
    | Known value ->
        plan
            [ { Name = "output"
                Source = value.Source } ]
    // What could not be read was said already.
    | Unknown -> None
    | Undefined ->
        let expected' =
            if builder.Inputs.Count = 0 then
                "an 'input' and layers"
            else
                "'from' and layers behind the inputs, or a merge of them"

        expected builder.Sink name.Span $"the network '{name.Text}' comes to no output" expected'

/// The plan of a network, or `None` if anything is wrong with it; every mistake is noted.
/// `samples` fills in the sides that the script leaves open.
let check (sink: Sink) (words: Words) (samples: Samples) (name: Name) (body: Body) : NetworkPlan option =
    let before = sink.Count
    let builder = Builder(sink, words, samples)

    let start =
        { Here = Undefined
          Values = Map.empty
          Names = Map.empty
          Defaults = Map.empty
          Frozen = false
          Frame = Frame.ofNetwork words
          Depth = 0
          Incomplete = false }

    let last = body.Statements |> List.fold (run builder) start

    let wrong () =
        sink |> Seq.skip before |> Report.hasErrors

    if wrong () then
        None
    else
        let plan = planOf builder name last.Here
        plan |> Option.iter (warn builder)
        if wrong () then None else plan
