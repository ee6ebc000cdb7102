/// Checks the losses and metrics of a `train` part: which output each compares with what.
module internal CnnCluster.Dsl.Checking.ObjectiveChecker

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.TrainSettings
open CnnCluster.Dsl.Checking.ObjectiveReader
open CnnCluster.Dsl.Checking.ObjectiveEffects
open CnnCluster.Kernels

type Objectives =
    {
        Losses: WeightedLoss list
        Metrics: Judge<MetricDefinition> list
        /// Whether all are as the script means them: an error in one is no error of what watches its figure.
        Known: bool
    }

// ---- whether output and target fit ----

let private shapeOf subject =
    function
    | OfInput input -> NumbersOf subject.Network.Inputs[input].Shape
    | OfData target ->
        match subject.Data.Targets[target].Kind with
        | Classes count -> ClassOf count
        | Numbers count -> NumbersOf(Shape.vector count)

let private counted count what =
    if count = 1 then $"1 {what}" else $"{count} {what}s"

/// `mnist has 10 classes`, `'difference' of digit-pairs is 1 number`.
let private describe subject target =
    let name i =
        if subject.Data.Targets.Count = 1 then
            subject.Data.Name
        else
            $"'{subject.Data.Targets[i].Name}' of {subject.Data.Name}"

    match target, shapeOf subject target with
    | OfInput input, _ when subject.Network.Inputs.Length = 1 ->
        $"the input is {Shape.text subject.Network.Inputs[input].Shape}"
    | OfInput input, _ ->
        let input = subject.Network.Inputs[input]
        $"the input '{input.Name}' is {Shape.text input.Shape}"
    | OfData i, ClassOf count -> $"{name i} has {count} classes"
    | OfData i, NumbersOf shape -> $"""{name i} is {counted shape.Channels "number"}"""

let private refuseKind sink (kind: Kind<'D>) subject (stated: Stated<'D>) target shape =
    let wanted, given =
        match shape with
        | ClassOf _ -> "numbers", "classes"
        | NumbersOf _ -> "classes", "numbers"

    let span =
        stated.Target |> Option.map _.Span |> Option.defaultValue stated.Entry.Span

    let fitting =
        kind.Catalogue
        |> List.filter (fun entry -> not (Comparison.outputsFor shape (kind.Compares entry)).IsEmpty)
        |> List.map kind.NameOf

    expected
        sink
        span
        $"'{kind.NameOf stated.Chosen.Definition}' compares with {wanted}, but {describe subject target}"
        $"a {kind.What} for {given}: {Suggestion.listed fitting}"

let private lastLayer (shapes: Shape list) =
    let units = shapes |> List.map _.Channels

    match units with
    | [ count; 1 ] -> $"a last layer of {count} units, or of 1"
    | count :: _ -> $"""a last layer of {counted count "unit"}"""
    | [] -> "another loss"

let private refuseShape sink subject (stated: Stated<'D>) output target shapes =
    let output = subject.Network.Outputs[output]

    let given =
        if subject.Network.Outputs.Length = 1 then
            $"'{subject.Network.Name}'"
        else
            $"the output '{output.Name}'"

    expected
        sink
        stated.Entry.Span
        $"{given} gives {Shape.text (subject.Network.ShapeOf output.Source)}, but {describe subject target}"
        (match target with
         | OfInput _ -> "an output of the input's shape"
         | OfData _ -> lastLayer shapes)

let private checkFit sink kind subject (stated: Stated<'D>) output target =
    let shape = shapeOf subject target

    match Comparison.outputsFor shape (kind.Compares stated.Chosen.Definition) with
    | [] -> refuseKind sink kind subject stated target shape
    | shapes when List.contains (subject.Network.ShapeOf subject.Network.Outputs[output].Source) shapes -> Some()
    | shapes -> refuseShape sink subject stated output target shapes

// ---- the whole ----

/// Gives figures their names; those that would have the same are refused.
let private named sink subject basis details (judges: (Stated<'D> * Judge<'D>) list) =
    let parts =
        [ for _, judge in judges ->
              { Base = basis judge
                Output = subject.Network.Outputs[judge.Output].Name
                Details =
                  [ yield! details judge
                    match judge.Target with
                    | OfData target -> subject.Data.Targets[target].Name
                    | OfInput input -> subject.Network.Inputs[input].Name ] } ]

    let names = FigureNames.assign subject.Network.Outputs.Length parts

    for _, same in List.zip names judges |> List.groupBy fst do
        let _, (first, _) = same.Head

        for _, (stated, _) in List.tail same do
            fail
                sink
                stated.Entry.Span
                $"line {first.Entry.Span.Start.Line} has this {stated.Entry.Word.Text} of the same output and target already"
            |> ignore

    List.map2 (fun name (_, judge) -> { judge with Figure = name }) names judges

let private judge (stated: Stated<'D>) output target =
    { Chosen = stated.Chosen
      Output = output
      Target = target
      Figure = "" }

/// The metrics that go with the losses, where the script names none.
let private defaultMetrics (placed: (Stated<LossDefinition> * Judge<LossDefinition>) list) subject =
    [ for stated, loss in placed do
          match loss.Chosen.Definition.Metric, shapeOf subject loss.Target with
          | Some name, ClassOf _ ->
              { Entry = stated.Entry
                Chosen =
                  { Definition = Metric.all |> List.find (fun metric -> metric.Name = name)
                    Settings = SettingValues(Dictionary()) }
                On = None
                Target = None },
              (loss.Output, loss.Target, name)
          | _ -> () ]
    |> List.distinctBy snd
    |> List.map (fun (stated, (output, target, _)) -> stated, judge stated output target)

let private place sink subject otherwiseOutput otherwiseTarget (stated: Stated<'D>) =
    match outputOf sink subject otherwiseOutput stated with
    | None ->
        targetOf sink subject (OfData 0) stated |> ignore
        None
    | Some output ->
        targetOf sink subject (otherwiseTarget output) stated
        |> Option.map (fun target -> stated, judge stated output target)

let private placeMetrics sink subject (placed: (Stated<LossDefinition> * Judge<LossDefinition>) list) stated =
    let judges = List.map snd placed

    let output =
        match judges |> List.map _.Output |> List.distinct with
        | [ one ] -> Some one
        | _ -> None

    let target output =
        judges
        |> List.tryFind (fun loss -> loss.Output = output)
        |> Option.map _.Target
        |> Option.defaultValue (OfData 0)

    stated |> List.choose (place sink subject output target)

let private weighted (loss: Judge<LossDefinition>) =
    { Judge = loss
      Weight = loss.Chosen.Settings["weight"] }

/// The losses with their outputs and targets, and the outputs of those that do not fit them.
let private placeLosses sink subject stated =
    let placed = stated |> List.choose (place sink subject None (fun _ -> OfData 0))

    let misfits =
        [ for stated, loss in placed do
              warnOfProbabilities sink subject stated loss.Output

              if (checkFit sink losses subject stated loss.Output loss.Target).IsNone then
                  loss.Output ]

    placed, misfits

/// The metrics that the script names. `known` is whether all losses have their places: else it is not known what a
/// metric goes with that does not say it itself.
let private placeAndCheckMetrics sink subject known (placed, misfits) (stated: Stated<MetricDefinition> list) =
    let found =
        stated
        |> List.filter (fun metric -> known || metric.On.IsSome)
        |> placeMetrics sink subject placed

    for stated, metric in found do
        let sound = known && not (List.contains metric.Output misfits)

        if sound || stated.Target.IsSome then
            checkFit sink metrics subject stated metric.Output metric.Target |> ignore

    found

/// The losses and metrics of a part, as far as they can be made out; every mistake is noted.
let check sink (part: Name) (subject: Subject option) (lossEntries: Entry list) (metricEntries: Entry list) =
    let statedLosses = lossEntries |> List.choose (read sink losses)
    let statedMetrics = metricEntries |> List.choose (read sink metrics)

    match subject with
    | None ->
        { Losses = []
          Metrics = []
          Known = false }
    | Some subject ->
        let placed, misfits = placeLosses sink subject statedLosses
        let known = placed.Length = lossEntries.Length && not placed.IsEmpty

        let metrics =
            if metricEntries.IsEmpty then
                defaultMetrics placed subject
            else
                placeAndCheckMetrics sink subject known (placed, misfits) statedMetrics

        let losses =
            placed
            |> named sink subject (fun _ -> "loss") (fun judge -> [ judge.Chosen.Definition.Name ])
            |> List.map weighted

        if known then
            checkGradients sink subject part placed
            warnOfUntrained sink subject part losses

        { Losses = losses
          Metrics = named sink subject _.Chosen.Definition.Name (fun _ -> []) metrics
          Known = known && (metricEntries.IsEmpty || metrics.Length = metricEntries.Length) }
