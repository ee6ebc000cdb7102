/// Checks what losses do: what they take outputs for, and what they train.
module internal CnnCluster.Dsl.Checking.ObjectiveEffects

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.TrainSettings
open CnnCluster.Dsl.Checking.ObjectiveReader

let private kindText =
    function
    | ValueKind.Numbers -> "numbers of any kind"
    | ValueKind.Probabilities -> "probabilities that are 1 together"
    | ValueKind.Chances -> "probabilities, each by itself"
    | ValueKind.LogProbabilities -> "logarithms of probabilities"

/// Says where a loss that is meant for logits gets something else.
let warnOfProbabilities sink subject (stated: Stated<LossDefinition>) output =
    let elements = subject.Network.ElementsOf subject.Network.Outputs[output]
    let loss, activation = stated.Chosen.Definition, elements.Activation

    let warn message expected =
        report
            sink
            { Diagnostic.warning stated.Entry.Span message with
                Expected = Some expected }

    if List.contains elements.Kind loss.Probabilities then
        warn
            $"'{loss.Name}' is less exact behind '{activation}': it takes logits and computes the logarithm of their probabilities in one, but that of a ready probability must be cut off at 1e-7"
            $"a last layer without '{activation}', which is only needed to show probabilities"
    elif List.contains elements.Kind loss.Misread then
        warn
            $"'{loss.Name}' takes what '{activation}' gives for logits, but it is {kindText elements.Kind}"
            $"a last layer without '{activation}'"

/// A loss without a trained weight in front of its output has no gradient; if none has one, there is nothing to do.
let checkGradients sink subject (part: Name) (placed: (Stated<LossDefinition> * Judge<LossDefinition>) list) =
    let idle =
        placed
        |> List.filter (fun (_, loss) -> not (subject.Network.IsTrained subject.Network.Outputs[loss.Output]))

    if idle.Length = placed.Length then
        expected
            sink
            part.Span
            $"nothing in '{subject.Network.Name}' is trained: no loss reaches a weight that may change"
            "a layer with weights, not frozen, in front of an output with a loss"
        |> ignore
    else
        for stated, loss in idle do
            let output = subject.Network.Outputs[loss.Output].Name

            report
                sink
                (Diagnostic.warning
                    stated.Entry.Span
                    $"'{loss.Chosen.Definition.Name}' trains nothing: no weight in front of the output '{output}' may change")

/// Says which outputs have no loss.
let warnOfUntrained sink subject (part: Name) (losses: WeightedLoss list) =
    for i, output in List.indexed subject.Network.Outputs do
        if losses |> List.forall (fun loss -> loss.Judge.Output <> i) then
            report
                sink
                (Diagnostic.warning part.Span $"the output '{output.Name}' has no loss: nothing tells it what to become")
