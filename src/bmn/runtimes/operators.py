"""The operators that a program may use: pure computation, those of BMN and of common vision networks.

None of them reads or writes a file, calls back into Python, prints, draws random numbers or contains a nested graph.
A program with any other operator is refused before a runtime sees it; add a name only if the same holds for it.
"""

# .pdmodel and .json name some operators differently; either name is harmless in the other format.
PADDLE = frozenset(
    """
    abs add affine_channel affine_grid arange arg_max argmax argmin arg_min argsort assign assign_value
    assign_value_ atan avg_pool2d
    batch_norm batch_norm_ bicubic_interp bicubic_interp_v2 bilinear_interp bilinear_interp_v2 bitwise_and bmm
    broadcast_to
    cast ceil celu channel_shuffle clip concat conv2d conv2d_transpose conv3d conv3d_transpose cos cumsum
    data deformable_conv depthwise_conv2d depthwise_conv2d_transpose dequantize_linear divide dot dropout
    einsum elementwise_add elementwise_div elementwise_floordiv elementwise_max elementwise_min elementwise_mod
    elementwise_mul elementwise_pow elementwise_sub elu equal erf exp expand expand_as expand_as_v2 expand_v2 eye
    feed fetch fill_any_like fill_constant fill_constant_batch_size_like flatten flatten2 flatten_contiguous_range flip
    floor floor_divide full full_batch_size_like full_int_array full_like full_with_tensor
    gather gather_nd gelu greater_equal greater_than grid_sample grid_sampler group_norm
    hard_shrink hard_sigmoid hard_swish hardshrink hardsigmoid hardswish hardtanh
    index_sample index_select instance_norm isfinite isfinite_v2 isinf isinf_v2 isnan isnan_v2
    label_smooth layer_norm leaky_relu less_equal less_than lin_space linear_interp linear_interp_v2 linspace log log1p
    log2 log_softmax logical_and logical_not logical_or logsigmoid logsumexp lookup_table_v2 lp_pool2d
    masked_select matmul matmul_v2 matrix_nms max max_pool2d_with_index max_pool3d_with_index maximum mean meshgrid
    min minimum mish mod mul multiply
    nearest_interp nearest_interp_v2 norm not_equal one_hot one_hot_v2
    p_norm pad pad2d pad3d pixel_shuffle pool2d pool3d pow prelu prod put_along_axis
    quantize_linear range reciprocal reduce_all reduce_any reduce_max reduce_mean reduce_min reduce_prod reduce_sum relu
    relu6 remainder repeat_interleave reshape reshape2 roi_align roll round rsqrt
    scale scatter scatter_nd_add selu shape shape64 share_data share_data_ shuffle_channel sigmoid sign silu sin slice
    softmax softplus softsign split split_with_num sqrt square squeeze squeeze2 stack strided_slice subtract sum swish
    swiglu take_along_axis tanh tanh_shrink temporal_shift thresholded_relu tile top_k top_k_v2 topk transpose
    transpose2 tril tril_triu trilinear_interp trilinear_interp_v2 triu
    unbind unfold unsqueeze unsqueeze2 unstack where where_index
    """.split()  # noqa: SIM905
)

ONNX = frozenset(
    """
    Abs Add And ArgMax ArgMin Atan AveragePool BatchNormalization Cast CastLike Ceil Celu CenterCropPad Clip Concat
    Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos CumSum DepthToSpace DequantizeLinear Div Dropout
    DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu Gemm
    GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax
    Identity InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
    LpNormalization MatMul MatMulInteger Max MaxPool Mean Min Mish Mod Mul Neg Not OneHot Or PRelu Pad Pow QLinearConv
    QLinearMatMul QuantizeLinear Range Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round ScatterElements ScatterND Selu Shape Shrink Sigmoid
    Sign Sin Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile
    TopK Transpose Trilu Unsqueeze Upsample Where Xor
    """.split()  # noqa: SIM905
)
