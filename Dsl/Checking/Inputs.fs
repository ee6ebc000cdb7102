/// A network's inputs and outputs.
module internal CnnCluster.Dsl.Checking.Inputs

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.Declared
open CnnCluster.Dsl.Checking.NetworkBuilder

let private ofNumbers sink (expression: Expression) (rows: Evaluated list list) =
    numbers sink expression rows
    |> Option.bind (fun rows ->
        match
            List.head rows
            |> List.tryFind (fun n -> n <> floor n || n < 0.0 || n > 2147483647.0)
        with
        | Some wrong -> expected sink expression.Span $"{Printer.number wrong} is no side" "whole numbers"
        | None -> Some(rows.Head |> List.map (int >> Some)))

let private sidesOf (builder: Builder) scope (expression: Expression) =
    match evaluate builder.Sink scope expression with
    | Some(OfSides sides) -> Some sides
    | Some(OfNumber features) when features = floor features && features >= 1.0 && features <= 2147483647.0 ->
        Some [ Some(int features) ]
    | Some(OfRows [ row ]) when not row.IsEmpty -> ofNumbers builder.Sink expression [ row ]
    | Some other ->
        expected
            builder.Sink
            expression.Span
            $"{describe other} is no input size"
            "height x width x channels, as in 28x28x1; ? leaves a side open"
    | None -> None

let private elements sides =
    sides
    |> List.fold (fun product side -> product * float (Option.defaultValue 1 side)) 1.0

let private shapeOfSides (builder: Builder) span sides =
    match List.rev sides with
    | None :: _ -> fail builder.Sink span "the channels of an input cannot be open ('?'): weights depend on them"
    | _ when sides |> List.exists (fun side -> side = Some 0) -> fail builder.Sink span "a side of 0 holds nothing"
    | _ when elements sides > 2147483647.0 -> fail builder.Sink span "an input has at most 2147483647 elements"
    | _ when sides.Length > 4 ->
        fail builder.Sink span $"an input has up to three sides and its channels; here are {sides.Length} numbers"
    | Some channels :: rest ->
        Some
            { Channels = channels
              Sides = List.rev rest }
    | [] -> None

/// Fills in open sides from the sample's shape, where one is given.
let private filled (given: Shape option) (shape: Shape) =
    match given with
    | Some sample when sample.Rank = shape.Rank ->
        { shape with
            Sides = List.map2 (fun own other -> Option.orElse other own) shape.Sides sample.Sides }
    | _ -> shape

let private addInput (builder: Builder) (name: string) (place: Span) shape =
    let number = builder.Inputs.Count

    if builder.Inputs.Exists(fun other -> other.Name = name) then
        expected
            builder.Sink
            place
            $"there is an input '{name}' already"
            "a name for each input, as in: input left 28x28x1"
    else
        let shape = filled (builder.Samples name number) shape

        if elements (Some shape.Channels :: shape.Sides) > 2147483647.0 then
            fail
                builder.Sink
                place
                $"filled in, the input would be {Shape.text shape}: it has at most 2147483647 elements"
        else
            builder.Inputs.Add { Name = name; Shape = shape }
            builder.InputPlaces.Add place

            Some
                { Source = FromInput number
                  Shape = shape
                  Field = ReceptiveField.start shape.Rank }

/// Whether an input is used at all is asked of the whole network, not of its names.
let private nameInput (builder: Builder) flow first (labels: Name option list) =
    let after =
        labels
        |> List.choose id
        |> List.fold
            (fun flow name ->
                builder.Sink.Used.Add name.Span |> ignore
                named builder flow (Some name))
            flow

    if first then after else { after with Here = Undefined }

/// `input 28x28x1`, `input left 28x28x1`. Behind a second input nothing is the current value.
let private addNamed (builder: Builder) flow (word: Name) arguments (label: Name option) =
    let size =
        match arguments with
        | [ Positional size ] -> Some(None, size)
        | [ Positional { Kind = Word name; Span = span }; Positional size ] ->
            Some(Some { Text = name; Span = span }, size)
        | _ ->
            expected builder.Sink word.Span "an input has a size, and a name in front of it if need be" "input 28x28x1"

    let first = builder.Inputs.Count = 0

    let value =
        size
        |> Option.bind (fun (name, expression) ->
            sidesOf builder (scopeOf flow) expression
            |> Option.bind (shapeOfSides builder expression.Span)
            |> Option.bind (fun shape ->
                let title = Option.orElse label name
                let text = title |> Option.map _.Text |> Option.defaultValue "input"
                addInput builder text (title |> Option.map _.Span |> Option.defaultValue word.Span) shape))

    match value with
    | None -> { flow with Here = Unknown }
    | Some value -> nameInput builder { flow with Here = Known value } first [ Option.bind fst size; label ]

/// An `input` statement.
let input (builder: Builder) flow (word: Name) arguments label =
    if flow.Frame.Units.IsEmpty then
        addNamed builder flow word arguments label
    else
        report builder.Sink (Diagnostic.error word.Span "an input belongs to the network, not to a block")
        { flow with Here = Unknown }

/// `output NAME`: the current value is an output.
let output (builder: Builder) flow (name: Name) =
    refuseReserved builder.Sink builder.Words "an output" name

    if not flow.Frame.Units.IsEmpty then
        report builder.Sink (Diagnostic.error name.Span "an output belongs to the network, not to a block")
    elif builder.Outputs.Exists(fun other -> other.Name = name.Text) then
        report builder.Sink (Diagnostic.error name.Span $"there is an output '{name.Text}' already")

    match flow.Here with
    | Known value ->
        builder.Outputs.Add
            { Name = name.Text
              Source = value.Source }
    | Unknown -> ()
    | Undefined -> report builder.Sink (Diagnostic.error name.Span "there is no value here to be an output")
